# The same prompts continued by each model.
CONTINUED_BY = config["generate"]["models"]


use rule job as generate with:
    input:
        models=[file for name in CONTINUED_BY for file in model_files(name)],
    output:
        texts=f"{RESULTS}/generate/generations.json",
        provenance=f"{RESULTS}/generate/provenance.json",
    log:
        f"{RESULTS}/logs/generate.log",
    threads: config["generate"]["threads"]
    resources:
        **needs(gpu=1, mem_mb=6000, runtime=120),
    params:
        **keyed(
            "generate",
            parts={"models": sorted({implementation_of(name) for name in CONTINUED_BY})},
            implementations=[implementation_of(name) for name in CONTINUED_BY],
            **config["generate"],
        ),
