# One table per language and split. Training text is read from its own archive, where this source has it.
EVALUATION, TRAINING = downloaded(config["corpus"]["evaluation"]), downloaded(config["corpus"]["training"])


use rule job as corpus_evaluation with:
    input:
        archive=EVALUATION,
    output:
        tables=[f"{RESULTS}/corpus/{{language}}.{split}.parquet" for split in ("dev", "test")],
        counts=f"{RESULTS}/corpus/{{language}}.evaluation.json",
        provenance=f"{RESULTS}/corpus/{{language}}.evaluation.provenance.json",
    log:
        f"{RESULTS}/logs/corpus/{{language}}.evaluation.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed(
            "corpus",
            language=lambda wildcards: wildcards.language,
            expected_rows={split: config["corpus"]["expected_rows"][split] for split in ("dev", "test")},
            unsegment=lambda wildcards: wildcards.language in config["corpus"]["unsegment"],
            unsegmented=lambda wildcards: wildcards.language in UNSEGMENTED,
        ),


use rule job as corpus_training with:
    input:
        archive=TRAINING,
    output:
        tables=f"{RESULTS}/corpus/{{language}}.train.parquet",
        counts=f"{RESULTS}/corpus/{{language}}.training.json",
        provenance=f"{RESULTS}/corpus/{{language}}.training.provenance.json",
    log:
        f"{RESULTS}/logs/corpus/{{language}}.training.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed(
            "corpus",
            language=lambda wildcards: wildcards.language,
            expected_rows={"train": config["corpus"]["expected_rows"]["train"]},
            subset=config["corpus"]["subset"],
            subset_seed=config["corpus"]["subset_seed"],
            detokenize=config["corpus"]["detokenize"],
            unsegment=lambda wildcards: wildcards.language in config["corpus"]["unsegment"],
            unsegmented=lambda wildcards: wildcards.language in UNSEGMENTED,
        ),
