# What every job costs, before any of the dear ones runs: from the config, the token counts and the rates of a machine.
# Its key goes through a pipe: one argument holds 128 KiB, which is the work of 300 runs.
WORK = workload(config)
FROM_ELSEWHERE = [name for name in runs.models_in_use(config) if config["models"][name]["source"] != "pretrain"]


use rule job as plan with:
    input:
        counts=[
            f"{RESULTS}/tokens/{view}/{language}.{'training' if splits == ('train',) else 'evaluation'}.json"
            for view, language, splits in runs.tokenised(config)
        ],
        tokenizer=TOKENIZER[0],
        models=[f"{backbone(name)}/config.json" for name in FROM_ELSEWHERE],
        text=[downloaded(config["pretrain"]["text"])] if len(FROM_ELSEWHERE) < len(runs.models_in_use(config)) else [],
        throughput="data/throughput.csv",
    output:
        plan=f"{RESULTS}/plan/plan.csv",
        provenance=f"{RESULTS}/plan/provenance.json",
    log:
        f"{RESULTS}/logs/plan.log",
    resources:
        **needs(mem_mb=2000, runtime=120),
    params:
        **keyed("plan", **WORK, **config["plan"]),
