# How finely the tokeniser cuts each language: training text as published, and the parallel dev set.
use rule job as fertility with:
    input:
        train=expand(f"{RESULTS}/corpus/{{language}}.train.parquet", language=config["corpus"]["train_languages"]),
        dev=expand(f"{RESULTS}/corpus/{{language}}.dev.parquet", language=LANGUAGES),
        tokenizer=TOKENIZER[0],
    output:
        fertility=f"{RESULTS}/fertility/fertility.csv",
        provenance=f"{RESULTS}/fertility/provenance.json",
    log:
        f"{RESULTS}/logs/fertility.log",
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed("fertility", **config["fertility"]),
