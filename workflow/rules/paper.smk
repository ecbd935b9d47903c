# On request (`make paper`): the tables as LaTeX and the figures as PDF, ready to be included, and a document that does so.
use rule job as paper with:
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
    resources:
        **needs(mem_mb=2000, runtime=60),
    params:
        **keyed(
            "paper",
            **DRAWN,
            digits=config["report"]["digits"],
            title=config["report"]["title"],
            terms=task_terms(SCHEMA, MAIN_TASK),
        ),
