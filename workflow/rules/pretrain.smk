# The toy model, pretrained from nothing on lines of English text.
use rule job as pretrain with:
    input:
        text=downloaded(config["pretrain"]["text"]),
        tokenizer=TOKENIZER,
    output:
        model=model_files(f"{RESULTS}/pretrain/{{model}}"),
        curve=f"{RESULTS}/pretrain/{{model}}/curve.csv",
        facts=f"{RESULTS}/pretrain/{{model}}/pretrain.json",
        provenance=f"{RESULTS}/pretrain/{{model}}/provenance.json",
    log:
        f"{RESULTS}/logs/pretrain/{{model}}.log",
    threads: config["pretrain"]["threads"]
    resources:
        **needs(gpu=1, mem_mb=4000, runtime=240),
    params:
        **keyed("pretrain", **{name: value for name, value in config["pretrain"].items() if name != "text"}),
