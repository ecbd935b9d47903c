# Pretrained models from elsewhere, checked and put beside the tokeniser: Hugging Face directories like all others.
rule models:
    input:
        files=model_sources,
        tokenizer=TOKENIZER,
    output:
        model=model_files(f"{RESULTS}/backbones/{{model}}"),
        provenance=f"{RESULTS}/backbones/{{model}}/provenance.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        key=key("models"),
    shell:
        "python $SCRIPTS/models.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime} --files {input.files:q} --tokenizer {input.tokenizer:q} --model {output.model:q}"
