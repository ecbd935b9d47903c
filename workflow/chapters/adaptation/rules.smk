# What every way of adapting a model reaches and costs, from answers, likelihoods and training records: no GPU, seconds.
MADE.append(f"{RESULTS}/adaptation/tables/provenance.json")


use rule job as adaptation_tables with:
    input:
        predictions=[
            AT.prediction(run, task, view, language, "test")
            for (run, task, view), languages in PREDICTIONS.items()
            if run in RUNS and task == MAIN_TASK and view == "full"
            for language in languages
        ],
        likelihoods=[
            AT.likelihood(run, config["source_language"])
            for run, languages in runs.likelihoods(config).items()
            if config["source_language"] in languages
        ],
        training=TRAINING_RECORDS,
        fertility=FERTILITIES,
        claims="data/published/claims.csv",
        languages="data/languages.csv",
    output:
        tables=tables_of("adaptation"),
        provenance=f"{RESULTS}/adaptation/tables/provenance.json",
    log:
        f"{RESULTS}/logs/adaptation_tables.log",
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed(
            "adaptation_tables",
            **functions_of("adaptation"),
            **config["statistics"],
            reference=config["adaptation"]["reference"] or config["finetune"]["primary_variant"],
            variants=config["adaptation"]["variants"],
            confidence=config["report"]["confidence"],
            languages=LANGUAGES,
            tokenizers={name: runs.tokenizer_of(config, name) for name in runs.models_in_use(config)},
            source_language=config["source_language"],
            task=MAIN_TASK,
            labels={MAIN_TASK: runs.labels_of(MAIN_TASK)},
        ),
