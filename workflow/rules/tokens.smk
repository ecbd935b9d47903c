# Prompts as token ids: every split of a language under one view, once, for all the jobs that read them.
rule tokens:
    input:
        table=f"{RESULTS}/corpus/{{language}}.{{split}}.parquet",
        tokenizer=TOKENIZER[0],
    output:
        tokens=f"{RESULTS}/tokens/{{view}}/{{language}}.{{split}}.safetensors",
        counts=f"{RESULTS}/tokens/{{view}}/{{language}}.{{split}}.json",
        provenance=f"{RESULTS}/tokens/{{view}}/{{language}}.{{split}}.provenance.json",
    log:
        f"{RESULTS}/logs/tokens/{{view}}/{{language}}.{{split}}.log",
    conda:
        "../../envs/carryover.yaml"
    resources:
        mem_mb=2000,
    params:
        key=key(
            "tokens",
            view=lambda wildcards: wildcards.view,
            template=config["tokens"]["templates"][config["tokens"]["template"]],
            labels=config["tokens"]["labels"],
            max_length=config["tokens"]["max_length"],
            shuffle_seed=lambda wildcards: config["tokens"]["shuffle_seed"] if wildcards.view == "shuffled" else None,
            pretrained_positions=config["pretrain"]["line_length"],
        ),
    shell:
        "python $SCRIPTS/tokens.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
        " --table {input.table:q} --tokenizer {input.tokenizer:q} --tokens {output.tokens:q} --counts {output.counts:q}"
