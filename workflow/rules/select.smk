# Which languages to train: a proposal from the English models on dev and from fertility, and the overlay that adopts it.
if ENGLISH:

    use rule job as select with:
        input:
            predictions=expand("{directory}/{language}.dev.parquet", directory=ENGLISH, language=LANGUAGES),
            fertility=f"{RESULTS}/fertility/fertility.csv",
        output:
            proposal=f"{RESULTS}/select/proposal.json",
            overlay=f"{RESULTS}/select/adopt.yaml",
            provenance=f"{RESULTS}/select/provenance.json",
        log:
            f"{RESULTS}/logs/select.log",
        params:
            **keyed(
                "select",
                **config["select"],
                trainable=config["corpus"]["train_languages"],
                variant=config["finetune"]["primary_variant"],
                runs=config["finetune"]["runs"],
                listed=sorted({language for run in RUNS.values() for language in run.languages}),
                resamples=config["statistics"]["resamples"],
                seed=config["statistics"]["seed"],
            ),
