# One table per task, language and split. Training text is read from its own archive, where this source has it.
CORPUS = f"{RESULTS}/corpus/{{task}}/{{language}}"


use rule job as corpus_evaluation with:
    input:
        sources=sources_of(runs.EVALUATION),
    output:
        tables=[AT.corpus("{task}", "{language}", split) for split in runs.EVALUATION],
        counts=f"{CORPUS}.evaluation.json",
        provenance=f"{CORPUS}.evaluation.provenance.json",
    log:
        f"{RESULTS}/logs/corpus/{{task}}/{{language}}.evaluation.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed("corpus", **read_as(runs.EVALUATION)),


use rule job as corpus_training with:
    input:
        sources=sources_of(runs.TRAINING),
    output:
        tables=[AT.corpus("{task}", "{language}", "train")],
        counts=f"{CORPUS}.training.json",
        provenance=f"{CORPUS}.training.provenance.json",
    log:
        f"{RESULTS}/logs/corpus/{{task}}/{{language}}.training.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed("corpus", **read_as(runs.TRAINING)),
