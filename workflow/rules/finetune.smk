# One model for each variant, training language (or list of languages) and seed, always from the same backbone.
FINETUNED = f"{RESULTS}/models/{{run}}"


use rule job as finetune with:
    input:
        model=model_files(backbone(config["finetune"]["backbone"])),
        train=tokens_of("train"),
        dev=tokens_of("dev"),
    output:
        model=model_files(FINETUNED),
        curve=f"{FINETUNED}/curve.csv",
        epochs=f"{FINETUNED}/dev.csv",
        facts=f"{FINETUNED}/training.json",
        provenance=f"{FINETUNED}/provenance.json",
    log:
        f"{RESULTS}/logs/finetune/{{run}}.log",
    wildcard_constraints:
        run=runs_that(stay=True),
    priority: 10  # the longest jobs first, so that none of them is left over at the end
    threads: config["finetune"]["threads"]
    resources:
        **needs(gpu=1, mem_mb=8000, runtime=720),
    params:
        **keyed(
            "finetune",
            recipe=lambda wildcards: recipe_of(config, RUNS[wildcards.run].variant),
            languages=lambda wildcards: RUNS[wildcards.run].languages,
            seed=lambda wildcards: RUNS[wildcards.run].seed,
            threads=config["finetune"]["threads"],
        ),


use rule finetune as finetune_passing with:
    output:
        model=temp(model_files(FINETUNED)),
        curve=f"{FINETUNED}/curve.csv",
        epochs=f"{FINETUNED}/dev.csv",
        facts=f"{FINETUNED}/training.json",
        provenance=f"{FINETUNED}/provenance.json",
    wildcard_constraints:
        run=runs_that(stay=False),
