# The tokeniser: a published vocabulary and its merges, or a byte-level BPE trained on English text.
TOKENIZER = [f"{RESULTS}/tokenizer/{name}" for name in ("tokenizer.json", "tokenizer_config.json")]
TOKENIZER_FILES = {"files": ("vocab", "merges"), "train": ("text",)}[config["tokenizer"]["source"]]


use rule job as tokenizer with:
    input:
        files=[downloaded(config["tokenizer"][name]) for name in TOKENIZER_FILES],
    output:
        tokenizer=TOKENIZER,
        provenance=f"{RESULTS}/tokenizer/provenance.json",
    log:
        f"{RESULTS}/logs/tokenizer.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed(
            "tokenizer",
            source=config["tokenizer"]["source"],
            vocabulary=config["tokenizer"]["vocabulary"] if config["tokenizer"]["source"] == "train" else None,
        ),
