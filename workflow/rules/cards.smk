# On request (`make cards`): a model card into the directory of every trained model that stays.
from carryover.planning.schema import text_of_models

CARDED = {name: run for name, run in RUNS.items() if not alike(run)[2]}
TASKS = runs.tasks_in_use(config)


use rule job as cards with:
    input:
        predictions=[
            AT.prediction(name, task, view, language, "test")
            for (name, task, view), languages in PREDICTIONS.items()
            if name in CARDED and (task, view) == (CARDED[name].system.task, CARDED[name].view)
            for language in languages
        ],
        training=[f"{AT.run(name)}/training.json" for name in CARDED],
        made=[f"{AT.run(name)}/provenance.json" for name in CARDED],
        adapters=[f"{AT.run(name)}/adapter_config.json" for name in CARDED if not is_whole(name)],
        models=[AT.provenance(f"pretrained/{name}", fills_folder=True) for name in runs.models_in_use(config)],
        languages="data/languages.csv",
    output:
        cards=[f"{AT.run(name)}/README.md" for name in CARDED],
        provenance=f"{RESULTS}/cards.provenance.json",
    log:
        f"{RESULTS}/logs/cards.log",
    resources:
        **needs(mem_mb=4000, runtime=60),
    params:
        **keyed(
            "cards",
            parts={"metrics": sorted({name for task in TASKS for name in runs.metrics_of(config, task)})},
            metrics={task: runs.metrics_of(config, task) for task in TASKS},
            labels={task: runs.labels_of(task) for task in TASKS},
            tasks={task: text_of_models(SCHEMA, config, task) for task in TASKS},
            hub={name: origins.hub_name(config["models"][name], FILES) for name in runs.models_in_use(config)},
            languages=LANGUAGES,
            study=config["study"],
            confidence=config["report"]["confidence"],
            terms=task_terms(SCHEMA, MAIN_TASK),
            **config["statistics"],
        ),
