# Every figure of the chapters as SVG, drawn from their tables alone, and the rows that it shows.
use rule job as figures with:
    input:
        tables=[table for name in CHAPTERS for table in tables_of(name)],
        languages="data/languages.csv",
    output:
        figures=[
            report(
                AT.figure(chapter.name, name),
                caption=os.path.abspath(f"{RESULTS}/captions/{chapter.name}-{name}.rst"),  # the report's job writes it
                category=chapter.title,
                labels={"figure": name},
            )
            for chapter, name in FIGURES
        ],
        data=[AT.figure(chapter.name, name, "csv") for chapter, name in FIGURES],
        provenance=f"{RESULTS}/figures.provenance.json",
    log:
        f"{RESULTS}/logs/figures.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed("figures", **DRAWN),
