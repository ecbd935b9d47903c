# The chapter's tables, from stored predictions and the records of the stages before: no GPU, seconds.
MADE.append(f"{RESULTS}/transfer/tables/provenance.json")
TOKENIZERS = {name: runs.tokenizer_of(config, name) for name in runs.models_in_use(config)}  # by model
TAKEN_OVER = [name for name in runs.models_in_use(config) if name not in PRETRAINED]


use rule job as transfer_tables with:
    input:
        predictions=[
            AT.prediction(run, task, view, language, split)
            for (run, task, view), languages in PREDICTIONS.items()
            for language in languages
            for split in runs.EVALUATION
        ],
        likelihoods=[
            AT.likelihood(run, language) for run, languages in runs.likelihoods(config).items() for language in languages
        ],
        training=TRAINING_RECORDS,
        curves=[f"{AT.run(run)}/curve.csv" for run in RUNS],
        fertility=FERTILITIES,
        published=sorted(str(path) for path in Path("data/published").glob("*.csv")),
        corpus=[
            *(AT.counts(f"corpus/{MAIN_TASK}/{language}.evaluation") for language in LANGUAGES),
            *(
                AT.counts(f"corpus/{MAIN_TASK}/{language}.training")
                for language in runs.languages_with_training_text(config, MAIN_TASK)
            ),
        ],
        tokens=[AT.counts(f"tokens/{MAIN_TOKENIZER}/{MAIN_TASK}/full/{language}.evaluation") for language in LANGUAGES],
        pretrain=[f"{AT.pretrained(name)}/pretrain.json" for name in PRETRAINED],
        pretraining_curves=[f"{AT.pretrained(name)}/curve.csv" for name in PRETRAINED],
        taken_over=[AT.provenance(f"pretrained/{name}", fills_folder=True) for name in TAKEN_OVER],
        proposal=[f"{RESULTS}/select/proposal.json"] if SOURCE_RUNS else [],
        parity=expand(f"{RESULTS}/parity/{{model}}.json", model=runs.models_in_use(config)),
        generations=f"{RESULTS}/generate/generations.json",
        languages="data/languages.csv",
    output:
        tables=tables_of("transfer"),
        provenance=f"{RESULTS}/transfer/tables/provenance.json",
    log:
        f"{RESULTS}/logs/transfer_tables.log",
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed(
            "transfer_tables",
            **config["transfer"],
            **config["statistics"],
            **functions_of("transfer"),
            languages=LANGUAGES,
            confidence=config["report"]["confidence"],
            comparable=config["report"]["not_comparable_because"] is None,
            not_comparable_because=config["report"]["not_comparable_because"] or "",
            # Published fertility was counted with GPT-2's tokeniser on XNLI's training text, whatever model a study trains.
            fertility_not_comparable_because={
                name: " and ".join(
                    [
                        *(["another tokeniser"] if config["tokenizers"].get(name, {}).get("source") != "files" else []),
                        *(["another corpus"] if origins.built_here(FILES[config["tasks"][MAIN_TASK]["training"]]) else []),
                    ]
                )
                for name in set(TOKENIZERS.values())
            },
            tokenizers=TOKENIZERS,
            published_as={name: config["models"][name]["published"] for name in TOKENIZERS},
            primary_variant=config["finetune"]["primary_variant"],
            trained={run.system.train: run.languages for run in RUNS.values()},
            source_language=config["source_language"],
            task=MAIN_TASK,
            other_scripts=config["predict"]["scripts"],
            labels={task: runs.labels_of(task) for task in runs.tasks_in_use(config)},
            model=config["finetune"]["model"],
        ),
