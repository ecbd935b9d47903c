# Pretrained models from elsewhere, checked, each with its own tokeniser: Hugging Face directories like all others.
use rule job as models with:
    input:
        files=model_sources,
        tokenizer=tokenizer_sources_of_model,
    output:
        model=paths.foreign_files(AT.pretrained("{model}")),
        provenance=f"{AT.pretrained('{model}')}/provenance.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    wildcard_constraints:
        model=runs.pattern(name for name in config["models"] if name not in PRETRAINED),
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed(
            "models",
            parts=lambda wildcards: {"models": implementation_of(wildcards.model)},
            source=lambda wildcards: config["models"][wildcards.model]["source"],
        ),
