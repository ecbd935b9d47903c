# The handout's sanity check, on every model that the study uses: the same numbers as transformers.
rule parity:
    input:
        model=lambda wildcards: model_files(backbone(wildcards.model)),
    output:
        facts=f"{RESULTS}/parity/{{model}}.json",
        provenance=f"{RESULTS}/parity/{{model}}.provenance.json",
    log:
        f"{RESULTS}/logs/parity/{{model}}.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
    params:
        key=key("parity", model=lambda wildcards: wildcards.model, **config["parity"]),
    shell:
        "python $SCRIPTS/parity.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime} --model {input.model:q} --facts {output.facts:q}"
