# On request (`make paper`): the tables as LaTeX and the figures as PDF, ready to be included, and a document that does so.
PRINTED = (
    *("hyperparameters", "zero_shot", "fertility", "per_language", "regimes", "matched", "one_or_many", "correlation"),
    *("controls", "calibration", "selection"),
)


rule paper:
    input:
        tables=TABLES,
        curves=[f"{RESULTS}/models/{run}/curve.csv" for run in RUNS],
        pretrain=expand(f"{RESULTS}/pretrain/{{model}}/curve.csv", model=PRETRAINED),
        languages="data/languages.csv",
        captions=sorted(str(path) for path in Path("report/captions").glob("*.rst")),
    output:
        document=f"{RESULTS}/paper/paper.tex",
        tex=expand(f"{RESULTS}/paper/tables/{{name}}.tex", name=PRINTED),
        figures=expand(f"{RESULTS}/paper/figures/{{name}}.pdf", name=DRAWN),
        provenance=f"{RESULTS}/paper/provenance.json",
    log:
        f"{RESULTS}/logs/paper.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        key=key("paper", **LOOK, digits=config["report"]["digits"], title=config["report"]["title"]),
    shell:
        "python $SCRIPTS/paper.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --tables {input.tables:q} --curves {input.curves:q} --pretrain {input.pretrain:q} --languages {input.languages:q}"
        " --captions {input.captions:q} --document {output.document:q} --tex {output.tex:q} --figures {output.figures:q}"
