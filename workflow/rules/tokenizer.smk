# The tokeniser: a published vocabulary and its merges, or a byte-level BPE trained on English text.
TOKENIZER = [f"{RESULTS}/tokenizer/{name}" for name in ("tokenizer.json", "tokenizer_config.json")]
TOKENIZER_FILES = {"files": ("vocab", "merges"), "train": ("text",)}[config["tokenizer"]["source"]]


rule tokenizer:
    input:
        files=[downloaded(config["tokenizer"][name]) for name in TOKENIZER_FILES],
    output:
        tokenizer=TOKENIZER,
        provenance=f"{RESULTS}/tokenizer/provenance.json",
    log:
        f"{RESULTS}/logs/tokenizer.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        key=key(
            "tokenizer",
            source=config["tokenizer"]["source"],
            vocabulary=config["tokenizer"]["vocabulary"] if config["tokenizer"]["source"] == "train" else None,
        ),
    shell:
        "python $SCRIPTS/tokenizer.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --minutes {resources.runtime} --files {input.files:q} --tokenizer {output.tokenizer:q}"
