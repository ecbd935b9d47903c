# One model for each variant, training language (or list of languages) and seed, always from the same backbone.
FINETUNED = f"{RESULTS}/models/{{run}}"


rule finetune:
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
    conda:
        "../../envs/carryover.yaml"
    threads: config["finetune"]["threads"]
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(720),
    params:
        key=key(
            "finetune",
            recipe=lambda wildcards: recipe_of(config, RUNS[wildcards.run].variant),
            languages=lambda wildcards: RUNS[wildcards.run].languages,
            seed=lambda wildcards: RUNS[wildcards.run].seed,
            threads=config["finetune"]["threads"],
        ),
    shell:
        "python $SCRIPTS/finetune.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --gpu {resources.gpu} --scratch $SCRATCH --backbone {input.model:q} --train {input.train:q} --dev {input.dev:q}"
        " --model {output.model:q} --curve {output.curve:q} --epochs {output.epochs:q} --facts {output.facts:q}"


use rule finetune as finetune_passing with:
    output:
        model=temp(model_files(FINETUNED)),
        curve=f"{FINETUNED}/curve.csv",
        epochs=f"{FINETUNED}/dev.csv",
        facts=f"{FINETUNED}/training.json",
        provenance=f"{FINETUNED}/provenance.json",
    wildcard_constraints:
        run=runs_that(stay=False),
