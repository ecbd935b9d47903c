# Every model scores the languages it is asked, dev and test, in one job: the waist of the study. All tables come from these
# rows. A rule cannot have a different number of outputs for each job, so models with the same question share a rule.


for languages in {tuple(theirs): theirs for theirs in PREDICTIONS.values()}.values():

    rule:
        name:
            f"predict_{'all' if languages == LANGUAGES else '_'.join(languages)}"
        input:
            model=lambda wildcards: model_files(run_directory(wildcards.asked.rsplit("/", 1)[0])),
            tokens=lambda wildcards, languages=languages: expand(
                f"{RESULTS}/tokens/{wildcards.asked.rsplit('/', 1)[1]}/{{language}}.{{split}}.safetensors",
                language=languages,
                split=("dev", "test"),
            ),
        output:
            predictions=expand(
                f"{RESULTS}/predictions/{{asked}}/{{language}}.{{split}}.parquet",
                language=languages,
                split=("dev", "test"),
                allow_missing=True,
            ),
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
            **keyed("predict", precision=config["predict"]["precision"], threads=config["predict"]["threads"]),
        shell:
            RUN
