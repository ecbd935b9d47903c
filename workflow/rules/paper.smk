# On request (`make paper`): the tables as LaTeX and the figures as PDF, ready to be included, and a document that does so.
rule paper:
    input:
        chapters=DECLARED,
        tables=[table for name in CHAPTERS for table in tables_of(name)],
        languages="data/languages.csv",
    output:
        document=f"{RESULTS}/paper/paper.tex",
        tex=[
            f"{RESULTS}/paper/{chapter.name}/{table.name}.tex"
            for chapter in CHAPTERS.values()
            for table in chapter.tables.values()
            if table.printed
        ],
        figures=[f"{RESULTS}/paper/{chapter.name}/{name}.pdf" for chapter, name in FIGURES],
        provenance=f"{RESULTS}/paper/provenance.json",
    log:
        f"{RESULTS}/logs/paper.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        key=key("paper", **DRAWN, digits=config["report"]["digits"], title=config["report"]["title"]),
    shell:
        "python $SCRIPTS/paper.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime}"
        " --chapters {input.chapters:q} --tables {input.tables:q} --languages {input.languages:q}"
        " --document {output.document:q} --tex {output.tex:q} --figures {output.figures:q}"
