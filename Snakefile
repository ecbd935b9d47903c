configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/job.smk"
include: "workflow/rules/mini.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/tokenizer.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/parity.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/likelihood.smk"
include: "workflow/rules/fertility.smk"
include: "workflow/rules/select.smk"
include: "workflow/rules/plan.smk"


for chapter in CHAPTERS:

    include: f"workflow/chapters/{chapter}/rules.smk"


include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/cards.smk"


# On a cluster these run where Snakemake does: they need the internet, or less time than a place in the queue.
localrules:
    all,
    fetch,
    fetch_model,
    mini,
    config,


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/config.yaml",
