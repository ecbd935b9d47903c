# Prompts as token ids: the splits of a language under one view, tokenised once for all the jobs that read them.
# Longer prompts than a model pretrained here has seen are counted; a model from elsewhere has seen all positions.
PRETRAINED_HERE = config["models"][config["finetune"]["backbone"]]["source"] == "pretrain"
POSITIONS = config["pretrain"]["line_length"] if PRETRAINED_HERE else None
TOKENS = f"{RESULTS}/tokens/{{view}}/{{language}}"


use rule job as tokens_evaluation with:
    input:
        tables=[f"{RESULTS}/corpus/{{language}}.{split}.parquet" for split in ("dev", "test")],
        tokenizer=TOKENIZER[0],
    output:
        tokens=[f"{TOKENS}.{split}.safetensors" for split in ("dev", "test")],
        counts=f"{TOKENS}.evaluation.json",
        provenance=f"{TOKENS}.evaluation.provenance.json",
    log:
        f"{RESULTS}/logs/tokens/{{view}}/{{language}}.evaluation.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed(
            "tokens",
            view=lambda wildcards: wildcards.view,
            template=config["tokens"]["templates"][config["tokens"]["template"]],
            labels=config["tokens"]["labels"],
            max_length=config["tokens"]["max_length"],
            shuffle_seed=lambda wildcards: config["tokens"]["shuffle_seed"] if wildcards.view == "shuffled" else None,
            pretrained_positions=POSITIONS,
        ),


use rule tokens_evaluation as tokens_training with:
    input:
        tables=f"{RESULTS}/corpus/{{language}}.train.parquet",
        tokenizer=TOKENIZER[0],
    output:
        tokens=f"{TOKENS}.train.safetensors",
        counts=f"{TOKENS}.training.json",
        provenance=f"{TOKENS}.training.provenance.json",
    log:
        f"{RESULTS}/logs/tokens/{{view}}/{{language}}.training.log",
