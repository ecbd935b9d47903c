# The same prompts continued by each model.
rule generate:
    input:
        models=[file for name in config["generate"]["models"] for file in model_files(backbone(name))],
    output:
        texts=f"{RESULTS}/generate/generations.json",
        provenance=f"{RESULTS}/generate/provenance.json",
    log:
        f"{RESULTS}/logs/generate.log",
    conda:
        "../../envs/carryover.yaml"
    threads: config["generate"]["threads"]
    resources:
        gpu=1,
        mem_mb=growing(6000),
        runtime=growing(120),
    params:
        key=key("generate", **config["generate"]),
    shell:
        "python $SCRIPTS/generate.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime} --gpu {resources.gpu} --models {input.models:q} --texts {output.texts:q}"
