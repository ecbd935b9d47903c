# The chapter's tables, from stored predictions and the records of the stages before: no GPU, seconds.
MADE.append(f"{RESULTS}/transfer/tables/provenance.json")


def not_the_published_text():
    """Published fertility was counted with GPT-2's tokeniser on XNLI's training text, whatever model a study trains."""
    if config["tokenizer"]["source"] != "files":
        yield "another tokeniser"
    if FILES[config["corpus"]["training"]]["url"].startswith("mini:"):
        yield "another corpus"


use rule job as transfer_tables with:
    input:
        predictions=[
            f"{RESULTS}/predictions/{run}/{view}/{language}.{split}.parquet"
            for (run, view), languages in PREDICTIONS.items()
            for language in languages
            for split in ("dev", "test")
        ],
        training=TRAINING_RECORDS,
        curves=[f"{RESULTS}/models/{run}/curve.csv" for run in RUNS],
        fertility=f"{RESULTS}/fertility/fertility.csv",
        published=sorted(str(path) for path in Path("data/published").glob("*.csv")),
        corpus=[
            *expand(f"{RESULTS}/corpus/{{language}}.evaluation.json", language=LANGUAGES),
            *expand(f"{RESULTS}/corpus/{{language}}.training.json", language=config["corpus"]["train_languages"]),
        ],
        tokens=expand(f"{RESULTS}/tokens/full/{{language}}.evaluation.json", language=LANGUAGES),
        pretrain=expand(f"{RESULTS}/pretrain/{{model}}/pretrain.json", model=PRETRAINED),
        pretraining_curves=expand(f"{RESULTS}/pretrain/{{model}}/curve.csv", model=PRETRAINED),
        proposal=[f"{RESULTS}/select/proposal.json"] if ENGLISH else [],
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
            fertility_not_comparable_because=" and ".join(not_the_published_text()),
            primary_variant=config["finetune"]["primary_variant"],
            trained={run.train: run.languages for run in RUNS.values()},
        ),
