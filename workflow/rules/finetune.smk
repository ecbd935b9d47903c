# One model for each run: a model, a task, a variant of the recipe (which names the method), training languages, and a seed.
FINETUNED = AT.run("{run}")


for name, files, passing in sorted({alike(run) for run in RUNS.values()}):

    rule:
        name:
            name
        input:
            model=lambda wildcards: model_files(RUNS[wildcards.run].system.model),
            train=tokens_of("train"),
            dev=tokens_of("dev"),
        output:
            model=[temp(f"{FINETUNED}/{file}") if passing else f"{FINETUNED}/{file}" for file in files],
            curve=f"{FINETUNED}/curve.csv",
            epochs=f"{FINETUNED}/dev.csv",
            facts=f"{FINETUNED}/training.json",
            provenance=f"{FINETUNED}/provenance.json",
        log:
            f"{RESULTS}/logs/finetune/{{run}}.log",
        wildcard_constraints:
            run=runs.pattern(run.name for run in RUNS.values() if alike(run)[0] == name),
        priority: 10  # the longest jobs first, so that none of them is left over at the end
        conda:
            ENVIRONMENT
        threads: config["finetune"]["threads"]
        resources:
            **needs(gpu=1, mem_mb=8000, runtime=720),
        params:
            **keyed(
                "finetune",
                parts=lambda wildcards: parts_of(wildcards.run, RUNS[wildcards.run].system.task),
                recipe=trained(lambda run: recipe_of(config, run.system.variant)),
                languages=trained(lambda run: run.languages),
                seed=trained(lambda run: run.seed),
                threads=config["finetune"]["threads"],
            ),
        shell:
            RUN
