# Which languages to train: a proposal from the source language's models on dev and from fertility, and the overlay that adopts it.
if SOURCE_RUNS:

    use rule job as select with:
        input:
            predictions=[f"{directory}/{language}.dev.parquet" for directory in SOURCE_RUNS for language in LANGUAGES],
            fertility=AT.fertility(MAIN_TOKENIZER, MAIN_TASK),
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
                source_language=config["source_language"],
                trainable=runs.languages_with_training_text(config, MAIN_TASK),
                variant=config["finetune"]["primary_variant"],
                runs=config["finetune"]["runs"],
                listed=sorted({language for run in RUNS.values() for language in run.languages}),
                resamples=config["statistics"]["resamples"],
                seed=config["statistics"]["seed"],
            ),
