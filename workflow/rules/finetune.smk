# One model for each variant, training language (or list of languages) and seed, always from the same backbone.
def tokens_of(split):
    def paths(wildcards):
        run = RUNS[wildcards.run]
        return [f"{RESULTS}/tokens/{run.view}/{language}.{split}.safetensors" for language in run.languages]

    return paths


def finetune_key(wildcards):
    run = RUNS[wildcards.run]
    recipe = recipe_of(config, run.variant)
    return key("finetune", recipe=recipe, languages=run.languages, seed=run.seed, threads=config["finetune"]["threads"])


def runs_that(stay):
    """A constraint on {run}: the runs whose models stay on disk, or those whose models go once they have predicted."""
    keep = config["finetune"]["keep"]
    chosen = [run.path for run in RUNS.values() if (keep is None or run.variant in keep) == stay]
    return "|".join(chosen) or "(?!)"


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
    wildcard_constraints:
        run=runs_that(stay=True),
    log:
        f"{RESULTS}/logs/finetune/{{run}}.log",
    params:
        key=finetune_key,
    conda:
        "../../envs/carryover.yaml"
    threads: config["finetune"]["threads"]
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
    shell:
        "python {SCRIPTS}/finetune.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --gpu {resources.gpu} --scratch {RESULTS}/scratch --backbone {input.model:q} --train {input.train:q} --dev {input.dev:q}"
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
