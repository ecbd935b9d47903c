# Every model scores the languages it is asked, dev and test, in one job: the waist of the study. All tables come from these
# rows. A rule cannot have a different number of outputs for each job, so models with the same question share a rule.
for languages in {tuple(theirs): theirs for theirs in PREDICTIONS.values()}.values():

    rule:
        name:
            f"predict_{'all' if languages == LANGUAGES else '_'.join(languages).replace('-', '_')}"
        input:
            model=lambda wildcards: model_of(asked_of(wildcards)[0]),
            added=lambda wildcards: added_by(asked_of(wildcards)[0]),
            tokens=tokens_asked(languages),
        output:
            predictions=[
                f"{RESULTS}/predictions/{{asked}}/{language}.{split}.parquet"
                for language in languages
                for split in runs.EVALUATION
            ],
            provenance=f"{RESULTS}/predictions/{{asked}}/provenance.json",
        log:
            f"{RESULTS}/logs/predict/{{asked}}.log",
        wildcard_constraints:
            asked=asked(languages),
        conda:
            ENVIRONMENT
        threads: config["predict"]["threads"]
        resources:
            **needs(gpu=1, mem_mb=6000, runtime=240),
        params:
            **keyed(
                "predict",
                parts=lambda wildcards: parts_of(*asked_of(wildcards)[:2]),
                precision=config["predict"]["precision"],
                threads=config["predict"]["threads"],
            ),
        shell:
            RUN
