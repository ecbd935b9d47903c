# The handout's sanity check, on every model that the study uses: the same numbers as transformers.
use rule job as parity with:
    input:
        model=lambda wildcards: model_files(wildcards.model),
    output:
        facts=f"{RESULTS}/parity/{{model}}.json",
        provenance=f"{RESULTS}/parity/{{model}}.provenance.json",
    log:
        f"{RESULTS}/logs/parity/{{model}}.log",
    resources:
        **needs(mem_mb=6000, runtime=120),
    params:
        **keyed(
            "parity",
            parts=lambda wildcards: {"models": implementation_of(wildcards.model)},
            model=lambda wildcards: wildcards.model,
            **config["parity"],
        ),
