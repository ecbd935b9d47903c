# Every figure as SVG, and beside it the rows that it shows.
DRAWN = ("regimes", "zero_shot", "premium", "fertility", "pretraining", "finetuning", "transfer_matrix", "confusion")
LOOK = {"listed": LANGUAGES, "confidence": config["report"]["confidence"], **config["figures"]}


rule figures:
    input:
        tables=TABLES,
        curves=[f"{RESULTS}/models/{run}/curve.csv" for run in RUNS],
        pretrain=expand(f"{RESULTS}/pretrain/{{model}}/curve.csv", model=PRETRAINED),
        languages="data/languages.csv",
    output:
        figures=[
            report(
                f"{RESULTS}/figures/{name}.svg",
                caption=f"../../report/captions/{name}.rst",
                category="Figures",
                labels={"figure": name},
            )
            for name in DRAWN
        ],
        data=expand(f"{RESULTS}/figures/{{name}}.csv", name=DRAWN),
        provenance=f"{RESULTS}/figures/provenance.json",
    log:
        f"{RESULTS}/logs/figures.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        key=key("figures", **LOOK),
    shell:
        "python $SCRIPTS/figures.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --curves @<(printf '%s\\n' {input.curves:q})"  # a list that grows with the runs outgrows a command line
        " --tables {input.tables:q} --pretrain {input.pretrain:q} --languages {input.languages:q}"
        " --figures {output.figures:q} --data {output.data:q}"
