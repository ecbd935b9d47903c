# What all rules do alike: `use rule job as X with` what X reads, writes, logs, and asks for.
rule job:
    log:
        f"{RESULTS}/logs/job.log",
    conda:
        ENVIRONMENT
    resources:
        **needs(runtime=120),
    shell:
        RUN
