# One table per task, language and split. Training text is read from its own archive, where this source has it.
def read_as(splits):
    """The slice of the config by which rows of these splits are read, and the task's own code."""
    return {
        "parts": lambda wildcards: {"tasks": wildcards.task},
        "language": lambda wildcards: wildcards.language,
        "unsegmented": lambda wildcards: wildcards.language in UNSEGMENTED,
        "options": lambda wildcards: reading_options(SCHEMA, config, wildcards.task, splits, wildcards.language),
    }


def sources_of(splits):
    """The files that hold these splits: one archive, or a file each."""
    return lambda wildcards: [downloaded(name) for name in runs.source_names(config, wildcards.task, wildcards.language, splits)]


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
