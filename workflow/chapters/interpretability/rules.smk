# What goes on inside models: each subject reads the same sentences of every language, once; all tables come from what was kept.
from carryover.planning import subjects

MADE.append(f"{RESULTS}/interpretability/tables/provenance.json")
SUBJECTS = {subject.name: subject for subject in subjects.subjects(config)}
MADE += [f"{AT.inspected(name)}/{step}.provenance.json" for name in SUBJECTS for step in ("inspect", "compare", "ablate")]
LOOKED_AT = subjects.languages(config)
INSIDE = config["interpretability"]
ABLATED = [config["source_language"], *subjects.ablated(config)]
COMPARED = ("representations", "attention", "sentences", "lens")  # what a subject's readings become


def subject_files(wildcards):
    """The files of the model that a subject is, or that it adds to."""
    subject = SUBJECTS[wildcards.subject]
    return model_of(subject.run) if subject.run else model_files(subject.model)


def subject_parts(wildcards):
    """The modules that work with a subject."""
    subject = SUBJECTS[wildcards.subject]
    method = EVALUATED[subject.run].system.method if subject.run else paths.NOTHING
    return {"models": implementation_of(subject.model), "methods": method}


use rule job as interpretability_inspect with:
    input:
        model=subject_files,
        added=lambda wildcards: added_by(SUBJECTS[wildcards.subject].run) if SUBJECTS[wildcards.subject].run else [],
        tokenizer=lambda wildcards: tokenizer_files(runs.tokenizer_of(config, SUBJECTS[wildcards.subject].model))[:1],
        tables=[AT.corpus(MAIN_TASK, language, "dev") for language in LOOKED_AT],
        tokens=lambda wildcards: [
            AT.tokens(runs.tokenizer_of(config, SUBJECTS[wildcards.subject].model), MAIN_TASK, "full", language, "dev")
            for language in LOOKED_AT
        ],
    output:
        readings=[AT.reading("{subject}", language) for language in LOOKED_AT],
        provenance=f"{AT.inspected('{subject}')}/inspect.provenance.json",
    log:
        f"{RESULTS}/logs/interpretability/{{subject}}/inspect.log",
    wildcard_constraints:
        subject=runs.pattern(SUBJECTS),
    threads: INSIDE["threads"]
    resources:
        **needs(gpu=1, mem_mb=3000, runtime=240),
    params:
        **keyed(
            "interpretability_inspect",
            parts=subject_parts,
            random=lambda wildcards: SUBJECTS[wildcards.subject].random,
            **{name: INSIDE[name] for name in ("items", "prompts", "layers", "window", "threads")},
        ),


use rule job as interpretability_ablate with:
    input:
        model=subject_files,
        added=lambda wildcards: added_by(SUBJECTS[wildcards.subject].run) if SUBJECTS[wildcards.subject].run else [],
        tokenizer=lambda wildcards: tokenizer_files(runs.tokenizer_of(config, SUBJECTS[wildcards.subject].model))[:1],
        readings=[AT.reading("{subject}", language) for language in LOOKED_AT],
        tables=[AT.corpus(MAIN_TASK, language, "test") for language in ABLATED],
        tokens=lambda wildcards: [
            AT.tokens(runs.tokenizer_of(config, SUBJECTS[wildcards.subject].model), MAIN_TASK, "full", language, "test")
            for language in ABLATED
        ],
    output:
        ablation=f"{AT.inspected('{subject}')}/ablation.csv",
        provenance=f"{AT.inspected('{subject}')}/ablate.provenance.json",
    log:
        f"{RESULTS}/logs/interpretability/{{subject}}/ablate.log",
    wildcard_constraints:
        subject=runs.pattern(SUBJECTS),
    threads: INSIDE["threads"]
    resources:
        **needs(gpu=1, mem_mb=3000, runtime=240),
    params:
        **keyed(
            "interpretability_ablate",
            parts=subject_parts,
            random=lambda wildcards: SUBJECTS[wildcards.subject].random,
            asked=ABLATED,
            threads=INSIDE["threads"],
            **{name: value for name, value in INSIDE["neurons"].items() if name != "languages"},
        ),


use rule job as interpretability_compare with:
    input:
        readings=[AT.reading("{subject}", language) for language in LOOKED_AT],
    output:
        representations=f"{AT.inspected('{subject}')}/representations.csv",
        attention=f"{AT.inspected('{subject}')}/attention.csv",
        sentences=f"{AT.inspected('{subject}')}/sentences.csv",
        lens=f"{AT.inspected('{subject}')}/lens.csv",
        provenance=f"{AT.inspected('{subject}')}/compare.provenance.json",
    log:
        f"{RESULTS}/logs/interpretability/{{subject}}/compare.log",
    wildcard_constraints:
        subject=runs.pattern(SUBJECTS),
    resources:
        **needs(mem_mb=3000, runtime=240),
    params:
        **keyed(
            "interpretability_compare",
            permutations=INSIDE["permutations"],
            seed=config["statistics"]["seed"],
        ),


use rule job as interpretability_tables with:
    input:
        **{name: [f"{AT.inspected(subject)}/{name}.csv" for subject in SUBJECTS] for name in (*COMPARED, "ablation")},
        predictions=[
            AT.prediction(subject.run, MAIN_TASK, "full", language, "test")
            for subject in SUBJECTS.values()
            if subject.run
            for language in LOOKED_AT
        ],
        languages="data/languages.csv",
        claims="data/published/claims.csv",
        published="data/published/layer_similarity.csv",
    output:
        tables=tables_of("interpretability"),
        provenance=f"{RESULTS}/interpretability/tables/provenance.json",
    log:
        f"{RESULTS}/logs/interpretability_tables.log",
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed(
            "interpretability_tables",
            **functions_of("interpretability"),
            **config["statistics"],
            predictors=INSIDE["predictors"],
            task=MAIN_TASK,
            labels={MAIN_TASK: runs.labels_of(MAIN_TASK)},
            confidence=config["report"]["confidence"],
            languages=LOOKED_AT,
            source_language=config["source_language"],
        ),
