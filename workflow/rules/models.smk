# Pretrained models from elsewhere, checked and put beside the tokeniser: Hugging Face directories like all others.
def model_sources(wildcards):
    model = config["models"][wildcards.model]
    if model["source"] == "directory":
        return [f"{model['path']}/{name}" for name in ("config.json", "model.safetensors")]
    return [downloaded(model[name]) for name in ("config", "weights")]


rule models:
    input:
        files=model_sources,
        tokenizer=TOKENIZER,
    output:
        model=model_files(f"{RESULTS}/backbones/{{model}}"),
        provenance=f"{RESULTS}/backbones/{{model}}/provenance.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    params:
        key=key("models"),
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=4000,
    shell:
        "python {SCRIPTS}/models.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --files {input.files:q} --tokenizer {input.tokenizer:q} --model {output.model:q}"
