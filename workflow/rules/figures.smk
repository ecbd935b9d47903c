# Every figure of the chapters as SVG, drawn from their tables alone, and the rows that it shows.
LOOK = {"listed": LANGUAGES, "confidence": config["report"]["confidence"], **config["figures"]}
DRAWN = {
    "figures": {name: chapter.functions(Figure) for name, chapter in CHAPTERS.items()},
    "parts": parts({name: chapter.functions(Figure).values() for name, chapter in CHAPTERS.items()}),
    "look": LOOK,
}


rule figures:
    input:
        tables=[table for name in CHAPTERS for table in tables_of(name)],
        languages="data/languages.csv",
    output:
        figures=[
            report(
                f"{RESULTS}/{chapter.name}/figures/{name}.svg",
                caption=os.path.abspath(f"{RESULTS}/captions/{chapter.name}-{name}.rst"),  # the report's job writes it
                category=chapter.title,
                labels={"figure": name},
            )
            for chapter, name in FIGURES
        ],
        data=[f"{RESULTS}/{chapter.name}/figures/{name}.csv" for chapter, name in FIGURES],
        provenance=f"{RESULTS}/figures.provenance.json",
    log:
        f"{RESULTS}/logs/figures.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        key=key("figures", **DRAWN),
    shell:
        "python $SCRIPTS/figures.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime} --tables {input.tables:q} --languages {input.languages:q}"
        " --figures {output.figures:q} --data {output.data:q}"
