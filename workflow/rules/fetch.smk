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


# A model of a hub, at a revision: what it weighs is known, which files it has is not.
use rule job as fetch_model with:
    output:
        files=paths.foreign_files(f"{DOWNLOADS}/hub/{{repository}}/{{revision}}"),
        provenance=f"{DOWNLOADS}/hub/{{repository}}/{{revision}}/provenance.json",
    log:
        f"{RESULTS}/logs/fetch/hub/{{repository}}/{{revision}}.log",
    wildcard_constraints:
        repository=runs.pattern({model["repo"] for model in runs.hub_models(config)}),
        revision="[0-9a-f]{40}",
    retries: 0
    resources:
        **needs(runtime=240),
    params:
        **keyed("fetch_model", repository=lambda wildcards: wildcards.repository, revision=lambda wildcards: wildcards.revision),
