# Pretrained models from elsewhere, checked and put beside the tokeniser: Hugging Face directories like all others.
use rule job as models with:
    input:
        files=model_sources,
        tokenizer=TOKENIZER,
    output:
        model=model_files(f"{RESULTS}/backbones/{{model}}"),
        provenance=f"{RESULTS}/backbones/{{model}}/provenance.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    resources:
        **needs(mem_mb=4000, runtime=120),
    params:
        **keyed("models"),
