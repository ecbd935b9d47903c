# Inputs as token ids: the splits of a language under one view, tokenised once for all the jobs that read them, by each tokeniser.
TOKENS = f"{RESULTS}/tokens/{{tokenizer}}/{{task}}/{{view}}/{{language}}"
# Longer prompts than a model pretrained here has seen are counted; a model from elsewhere has seen all positions.
ENCODED_AS = {
    "parts": lambda wildcards: {"tasks": wildcards.task},
    "view": lambda wildcards: wildcards.view,
    "language": lambda wildcards: KNOWN[wildcards.language]["iso639_3"],
    "options": lambda wildcards: encoding_options(SCHEMA, config, wildcards.task, wildcards.view),
    "pretraining_length": lambda wildcards: runs.pretraining_length(config, wildcards.tokenizer),
}


use rule job as tokens_evaluation with:
    input:
        tables=[AT.corpus("{task}", "{language}", split) for split in runs.EVALUATION],
        tokenizer=lambda wildcards: tokenizer_files(wildcards.tokenizer)[:1],
    output:
        tokens=[f"{TOKENS}.{split}.safetensors" for split in runs.EVALUATION],
        counts=f"{TOKENS}.evaluation.json",
        provenance=f"{TOKENS}.evaluation.provenance.json",
    log:
        f"{RESULTS}/logs/tokens/{{tokenizer}}/{{task}}/{{view}}/{{language}}.evaluation.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed("tokens", **ENCODED_AS),


use rule tokens_evaluation as tokens_training with:
    input:
        tables=[AT.corpus("{task}", "{language}", "train")],
        tokenizer=lambda wildcards: tokenizer_files(wildcards.tokenizer)[:1],
    output:
        tokens=[f"{TOKENS}.train.safetensors"],
        counts=f"{TOKENS}.training.json",
        provenance=f"{TOKENS}.training.provenance.json",
    log:
        f"{RESULTS}/logs/tokens/{{tokenizer}}/{{task}}/{{view}}/{{language}}.training.log",
