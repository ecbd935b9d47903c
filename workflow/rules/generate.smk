# The same prompts continued by each model.
use rule job as generate with:
    input:
        models=[file for name in config["generate"]["models"] for file in model_files(backbone(name))],
    output:
        texts=f"{RESULTS}/generate/generations.json",
        provenance=f"{RESULTS}/generate/provenance.json",
    log:
        f"{RESULTS}/logs/generate.log",
    threads: config["generate"]["threads"]
    resources:
        **needs(gpu=1, mem_mb=6000, runtime=120),
    params:
        **keyed("generate", **config["generate"]),
