# How likely a model finds the sentences of a language: a job for each run, or model as it is, with a file a language. As in
# predict.smk, those that are asked the same languages share a rule.
LIKELIHOODS = runs.likelihoods(config)

for languages in {tuple(theirs): theirs for theirs in LIKELIHOODS.values()}.values():

    rule:
        name:
            f"likelihood_{'all' if languages == LANGUAGES else 'source'}"
        input:
            model=lambda wildcards: model_of(wildcards.run),
            added=lambda wildcards: added_by(wildcards.run),
            texts=[AT.corpus(MAIN_TASK, language, "dev") for language in languages],
        output:
            likelihoods=[AT.likelihood("{run}", language) for language in languages],
            provenance=f"{AT.likelihoods('{run}')}/provenance.json",
        log:
            f"{RESULTS}/logs/likelihood/{{run}}.log",
        wildcard_constraints:
            run=runs.pattern(run for run, theirs in LIKELIHOODS.items() if theirs == languages),
        conda:
            ENVIRONMENT
        threads: config["likelihood"]["threads"]
        resources:
            **needs(gpu=1, mem_mb=6000, runtime=240),
        params:
            **keyed(
                "likelihood",
                parts=lambda wildcards: {name: parts_of(wildcards.run, MAIN_TASK)[name] for name in ("models", "methods")},
                text=runs.text_of(MAIN_TASK),
                rows=config["likelihood"]["rows"],
                precision=config["likelihood"]["precision"],
                threads=config["likelihood"]["threads"],
            ),
        shell:
            RUN
