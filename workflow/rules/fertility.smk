# How finely a tokeniser cuts each language: training text as published, and the parallel dev set.
use rule job as fertility with:
    input:
        train=lambda wildcards: [
            AT.corpus(wildcards.task, language, "train")
            for language in runs.languages_with_training_text(config, wildcards.task)
        ],
        dev=lambda wildcards: [AT.corpus(wildcards.task, language, "dev") for language in LANGUAGES],
        tokenizer=lambda wildcards: tokenizer_files(wildcards.tokenizer)[:1],
    output:
        fertility=AT.fertility("{tokenizer}", "{task}"),
        provenance=f"{RESULTS}/fertility/{{tokenizer}}/{{task}}.provenance.json",
    log:
        f"{RESULTS}/logs/fertility/{{tokenizer}}/{{task}}.log",
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed(
            "fertility",
            source_language=config["source_language"],
            scripts={
                script: {language: KNOWN[language]["iso639_3"] for language in languages}
                for script, languages in config["predict"]["scripts"].items()
            },
            **config["fertility"],
        ),
