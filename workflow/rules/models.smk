# Pretrained models from elsewhere, checked, each with its own tokeniser: Hugging Face directories like all others.
def tokenizer_sources_of_model(wildcards):
    """The tokeniser that goes with a model: the directory's own, or the one of `tokenizers` that the model names."""
    model = config["models"][wildcards.model]
    if model["source"] == "directory":
        return [f"{model['path']}/{name}" for name in paths.TOKENIZER_FILES]
    return tokenizer_files(model["tokenizer"])


use rule job as models with:
    input:
        files=model_sources,
        tokenizer=tokenizer_sources_of_model,
    output:
        model=model_files("{model}"),
        provenance=f"{AT.pretrained('{model}')}/provenance.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    wildcard_constraints:
        model=runs.pattern(name for name in config["models"] if name not in PRETRAINED),
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed("models", parts=lambda wildcards: {"models": implementation_of(wildcards.model)}),
