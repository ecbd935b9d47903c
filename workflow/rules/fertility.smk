# How finely the tokeniser cuts each language: training text as published, and the parallel dev set.
rule fertility:
    input:
        train=expand(f"{RESULTS}/corpus/{{language}}.train.parquet", language=config["corpus"]["train_languages"]),
        dev=expand(f"{RESULTS}/corpus/{{language}}.dev.parquet", language=LANGUAGES),
        tokenizer=TOKENIZER[0],
    output:
        fertility=f"{RESULTS}/fertility/fertility.csv",
        provenance=f"{RESULTS}/fertility/provenance.json",
    log:
        f"{RESULTS}/logs/fertility.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        key=key("fertility", **config["fertility"]),
    shell:
        "python $SCRIPTS/fertility.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --train {input.train:q} --dev {input.dev:q} --tokenizer {input.tokenizer:q} --fertility {output.fertility:q}"
