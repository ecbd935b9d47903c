# Files from elsewhere, verified. What decides a re-run is which file is accepted, not where it comes from.
use rule job as fetch with:
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
    resources:
        **needs(runtime=240),
    params:
        **keyed(
            "fetch",
            path=lambda wildcards: wildcards.path,
            sha256=lambda wildcards: file_at(wildcards.path)["sha256"],
            first_use=lambda wildcards: file_at(wildcards.path)["first_use"],
        ),
