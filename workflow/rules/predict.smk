# Every model scores every language, dev and test, in one job: the waist of the study. All tables come from these rows.
PREDICTED = f"{RESULTS}/predictions/{{run}}/{{view}}"


rule predict:
    input:
        model=lambda wildcards: model_files(run_directory(wildcards.run)),
        tokens=expand(
            f"{RESULTS}/tokens/{{{{view}}}}/{{language}}.{{split}}.safetensors", language=LANGUAGES, split=("dev", "test")
        ),
    output:
        predictions=expand(f"{PREDICTED}/{{language}}.{{split}}.parquet", language=LANGUAGES, split=("dev", "test"), allow_missing=True),
        provenance=f"{PREDICTED}/provenance.json",
    log:
        f"{RESULTS}/logs/predict/{{run}}/{{view}}.log",
    params:
        key=key("predict", precision=config["predict"]["precision"], threads=config["predict"]["threads"]),
    conda:
        "../../envs/carryover.yaml"
    threads: config["predict"]["threads"]
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    shell:
        "python {SCRIPTS}/predict.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --gpu {resources.gpu} --model {input.model:q} --tokens {input.tokens:q} --predictions {output.predictions:q}"
