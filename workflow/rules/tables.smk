# Every table of the report, from stored predictions and the records of the stages before: no GPU, seconds.
TABLES = [
    f"{RESULTS}/tables/{name}.csv"
    for name in (
        *("accuracy", "seeds", "hyperparameters", "zero_shot", "fertility", "regimes", "differences", "transfer_matrix"),
        *("controls", "confusion", "calibration", "correlation", "costs", "one_or_many", "data", "pretraining"),
        *("selection", "parity", "per_language", "matched", "public_runs", "literature"),
    )
]
TRAINING_RECORDS = [f"{RESULTS}/models/{run}/training.json" for run in RUNS]
PRETRAINED = [name for name in runs.models_in_use(config) if config["models"][name]["source"] == "pretrain"]
SELECTED = [f"{RESULTS}/select/proposal.json"] if ENGLISH else []
SHOWN = {
    "languages": LANGUAGES,
    "confidence": config["report"]["confidence"],
    "comparable": config["report"]["not_comparable_because"] is None,
    "not_comparable_because": config["report"]["not_comparable_because"] or "",
}
# Published fertility was counted with GPT-2's tokeniser on XNLI's training text, whatever model a study trains.
OTHER_TEXT = [
    *(["another tokeniser"] if config["tokenizer"]["source"] != "files" else []),
    *(["another corpus"] if FILES[config["corpus"]["training"]]["url"].startswith("mini:") else []),
]


rule tables:
    input:
        predictions=[
            f"{RESULTS}/predictions/{run}/{view}/{language}.{split}.parquet"
            for (run, view), languages in PREDICTIONS.items()
            for language in languages
            for split in ("dev", "test")
        ],
        training=TRAINING_RECORDS,
        fertility=f"{RESULTS}/fertility/fertility.csv",
        published=sorted(str(path) for path in Path("data/published").glob("*.csv")),
        corpus=[
            *expand(f"{RESULTS}/corpus/{{language}}.evaluation.json", language=LANGUAGES),
            *expand(f"{RESULTS}/corpus/{{language}}.training.json", language=config["corpus"]["train_languages"]),
        ],
        tokens=expand(f"{RESULTS}/tokens/full/{{language}}.evaluation.json", language=LANGUAGES),
        pretrain=expand(f"{RESULTS}/pretrain/{{model}}/pretrain.json", model=PRETRAINED),
        proposal=SELECTED,
        parity=expand(f"{RESULTS}/parity/{{model}}.json", model=runs.models_in_use(config)),
    output:
        tables=TABLES,
        provenance=f"{RESULTS}/tables/provenance.json",
    log:
        f"{RESULTS}/logs/tables.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        key=key(
            "tables",
            **SHOWN,
            **config["tables"],
            fertility_not_comparable_because=" and ".join(OTHER_TEXT),
            primary_variant=config["finetune"]["primary_variant"],
            trained={run.train: run.languages for run in RUNS.values()},
        ),
    shell:
        "python $SCRIPTS/tables.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --predictions @<(printf '%s\\n' {input.predictions:q}) --training @<(printf '%s\\n' {input.training:q})"
        " --fertility {input.fertility:q} --published {input.published:q} --corpus {input.corpus:q} --tokens {input.tokens:q}"
        " --pretrain {input.pretrain:q} --proposal {input.proposal:q} --parity {input.parity:q} --tables {output.tables:q}"
