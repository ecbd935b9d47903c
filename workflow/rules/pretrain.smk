# The toy model, pretrained from nothing on lines of English text.
use rule job as pretrain with:
    input:
        text=downloaded(config["pretrain"]["text"]),
        tokenizer=lambda wildcards: tokenizer_files(config["models"][wildcards.model]["tokenizer"]),
    output:
        model=model_files("{model}"),
        curve=f"{AT.pretrained('{model}')}/curve.csv",
        facts=f"{AT.pretrained('{model}')}/pretrain.json",
        provenance=f"{AT.pretrained('{model}')}/provenance.json",
    log:
        f"{RESULTS}/logs/pretrain/{{model}}.log",
    wildcard_constraints:
        model=runs.pattern(PRETRAINED),
    threads: config["pretrain"]["threads"]
    resources:
        **needs(gpu=1, mem_mb=4000, runtime=240),
    params:
        **keyed("pretrain", **{name: value for name, value in config["pretrain"].items() if name != "text"}),
