# A tokeniser: a published vocabulary and its merges, or a byte-level BPE trained on text. A directory brings its own (`models`).
def tokenizer_sources(wildcards):
    """The files that a tokeniser is made of."""
    tokenizer = config["tokenizers"][wildcards.tokenizer]
    return [downloaded(tokenizer[name]) for name in {"files": ("vocab", "merges"), "train": ("text",)}[tokenizer["source"]]]


def trained_vocabulary(wildcards):
    """The entries of a vocabulary that is trained here."""
    tokenizer = config["tokenizers"][wildcards.tokenizer]
    return tokenizer["vocabulary"] if tokenizer["source"] == "train" else None


use rule job as tokenizer with:
    input:
        files=tokenizer_sources,
    output:
        tokenizer=[f"{AT.tokenizer('{tokenizer}')}/{name}" for name in paths.TOKENIZER_FILES],
        provenance=f"{AT.tokenizer('{tokenizer}')}/provenance.json",
    log:
        f"{RESULTS}/logs/tokenizers/{{tokenizer}}.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed(
            "tokenizer",
            source=lambda wildcards: config["tokenizers"][wildcards.tokenizer]["source"],
            vocabulary=trained_vocabulary,
        ),
