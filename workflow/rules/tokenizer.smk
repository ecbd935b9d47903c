# A tokeniser: a published vocabulary and its merges, or a byte-level BPE trained on text. A directory brings its own (`models`).
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
