# Files from elsewhere, verified. What decides a re-run is which file is accepted, not where it comes from.
def file_at(path):
    return next(file for file in FILES.values() if file["path"] == path)


def source_of(wildcards):
    """The built file that stands behind a `mini:` URL; nothing for what comes from elsewhere."""
    scheme, _, name = file_at(wildcards.path)["url"].partition(":")
    return f"{RESULTS}/mini/{name}" if scheme == "mini" else []


# All of them to every job: the text of a shell command is not compared, what stands in `params` is.
URLS = json.dumps({file["path"]: file["url"] for file in FILES.values()})


rule fetch:
    input:
        source=source_of,
    output:
        file=f"{DOWNLOADS}/{{path}}",
        provenance=f"{DOWNLOADS}/{{path}}.provenance.json",
    wildcard_constraints:
        path="|".join(sorted(file["path"].replace(".", "[.]") for file in FILES.values())),
    log:
        f"{RESULTS}/logs/fetch/{{path}}.log",
    params:
        key=lambda wildcards: key(
            "fetch", path=wildcards.path, **{name: file_at(wildcards.path)[name] for name in ("sha256", "first_use")}
        ),
    conda:
        "../../envs/carryover.yaml"
    retries: 0
    shell:
        "python {SCRIPTS}/fetch.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --urls {URLS:q} --source {input.source:q} --lock config.lock.yaml --file {output.file:q}"
