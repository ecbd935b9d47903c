# One self-contained page, from the chapters' tables and figures and the provenance of every job before it.
# The stages whose jobs fill a folder each.
FILLING = {"build", "tokenizer", "pretrain", "convert", "finetune", "predict", "generate", "likelihood", "plan", "select"}
PREPARED = [job for job in WORK["jobs"] if not job["work"].endswith(("tables", "figures"))]


use rule job as report with:
    input:
        chapters=DECLARED,
        tables=[table for name in CHAPTERS for table in tables_of(name)],
        figures=[AT.figure(chapter.name, name) for chapter, name in FIGURES],
        data=[AT.figure(chapter.name, name, "csv") for chapter, name in FIGURES],
        training=TRAINING_RECORDS,
        made=[
            *(AT.provenance(job["job"], fills_folder=job["work"] in FILLING) for job in PREPARED),
            *MADE,
            f"{RESULTS}/figures.provenance.json",
        ],
        templates=sorted(str(path) for path in Path("report").glob("**/*.*")),
        languages="data/languages.csv",
        plan=f"{RESULTS}/plan/plan.csv",
        matrix=[str(path) for path in Path("data").glob("blast_radius.csv")],
    output:
        report=f"{RESULTS}/report.html",
        jobs=f"{RESULTS}/jobs.csv",
        captions=[f"{RESULTS}/captions/{chapter.name}-{name}.rst" for chapter, name in FIGURES],  # for Snakemake's own report
        provenance=f"{RESULTS}/report.provenance.json",
    log:
        f"{RESULTS}/logs/report.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed(
            "report",
            parts=parts({name: chapter.said for name, chapter in CHAPTERS.items()}),
            study=config["study"],
            languages=LANGUAGES,
            source_language=config["source_language"],
            terms=task_terms(SCHEMA, MAIN_TASK),
            confidence=config["report"]["confidence"],
            title=config["report"]["title"],
            digits=config["report"]["digits"],
            published=config["report"]["published"],
            resamples=config["statistics"]["resamples"],
        ),


# The configuration with every default filled in, beside the results that it made.
use rule job as config with:
    output:
        config=f"{RESULTS}/config.yaml",
        provenance=f"{RESULTS}/config.provenance.json",
    log:
        f"{RESULTS}/logs/config.log",
    resources:
        **needs(runtime=120),
    params:
        **keyed("config", resolved=config),
