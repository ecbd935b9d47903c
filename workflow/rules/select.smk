# Which languages to train: a proposal from the English models on dev and from fertility, and the overlay that adopts it.
if ENGLISH:

    rule select:
        input:
            predictions=expand("{directory}/{language}.dev.parquet", directory=ENGLISH, language=LANGUAGES),
            fertility=f"{RESULTS}/fertility/fertility.csv",
        output:
            proposal=f"{RESULTS}/select/proposal.json",
            overlay=f"{RESULTS}/select/adopt.yaml",
            provenance=f"{RESULTS}/select/provenance.json",
        log:
            f"{RESULTS}/logs/select.log",
        conda:
            "../../envs/carryover.yaml"
        resources:
            runtime=growing(120),
        params:
            key=key(
                "select",
                **config["select"],
                trainable=config["corpus"]["train_languages"],
                variant=config["finetune"]["primary_variant"],
                runs=config["finetune"]["runs"],
                listed=sorted({language for run in RUNS.values() for language in run.languages}),
                resamples=config["statistics"]["resamples"],
                seed=config["statistics"]["seed"],
            ),
        shell:
            "python $SCRIPTS/select.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
            " --minutes {resources.runtime} --predictions {input.predictions:q} --fertility {input.fertility:q}"
            " --proposal {output.proposal:q} --overlay {output.overlay:q}"
