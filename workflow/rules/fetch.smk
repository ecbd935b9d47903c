# Files from elsewhere, verified. What decides a re-run is which file is accepted, not where it comes from.
rule fetch:
    input:
        source=source_of,
    output:
        file=f"{DOWNLOADS}/{{path}}",
        provenance=f"{DOWNLOADS}/{{path}}.provenance.json",
    log:
        f"{RESULTS}/logs/fetch/{{path}}.log",
    wildcard_constraints:
        path="|".join(sorted(file["path"].replace(".", "[.]") for file in FILES.values())),
    retries: 0
    conda:
        "../../envs/carryover.yaml"
    resources:
        runtime=growing(240),
    params:
        key=key(
            "fetch",
            path=lambda wildcards: wildcards.path,
            sha256=lambda wildcards: file_at(wildcards.path)["sha256"],
            first_use=lambda wildcards: file_at(wildcards.path)["first_use"],
        ),
    shell:
        "python $SCRIPTS/fetch.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime} --source {input.source:q} --lock config.lock.yaml --file {output.file:q}"
