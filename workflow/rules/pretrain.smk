# The toy model, pretrained from nothing on lines of English text.
rule pretrain:
    input:
        text=downloaded(config["pretrain"]["text"]),
        tokenizer=TOKENIZER,
    output:
        model=model_files(f"{RESULTS}/pretrain/{{model}}"),
        curve=f"{RESULTS}/pretrain/{{model}}/curve.csv",
        facts=f"{RESULTS}/pretrain/{{model}}/pretrain.json",
        provenance=f"{RESULTS}/pretrain/{{model}}/provenance.json",
    log:
        f"{RESULTS}/logs/pretrain/{{model}}.log",
    conda:
        "../../envs/carryover.yaml"
    threads: config["pretrain"]["threads"]
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        key=key("pretrain", **{name: value for name, value in config["pretrain"].items() if name != "text"}),
    shell:
        "python $SCRIPTS/pretrain.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --gpu {resources.gpu} --scratch $SCRATCH --text {input.text:q} --tokenizer {input.tokenizer:q}"
        " --model {output.model:q} --curve {output.curve:q} --facts {output.facts:q}"
