# What every job costs, before any of the dear ones runs: from the config, the token counts and the rates of a machine.
FROM_ELSEWHERE = [name for name in runs.models_in_use(config) if name not in PRETRAINED]


use rule job as plan with:
    input:
        counts=[
            f"{RESULTS}/tokens/{tokenizer}/{task}/{view}/{language}.{'training' if splits == runs.TRAINING else 'evaluation'}.json"
            for tokenizer, task, view, language, splits in runs.tokenised(config)
        ],
        tokenizers=[tokenizer_files(runs.tokenizer_of(config, name))[0] for name in PRETRAINED],
        models=[f"{AT.pretrained(name)}/config.json" for name in FROM_ELSEWHERE],
        text=[downloaded(config["pretrain"]["text"])] if PRETRAINED else [],
        throughput="data/throughput.csv",
    output:
        plan=f"{RESULTS}/plan/plan.csv",
        provenance=f"{RESULTS}/plan/provenance.json",
    log:
        f"{RESULTS}/logs/plan.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed("plan", pretrained=PRETRAINED, **WORK, **config["plan"]),
