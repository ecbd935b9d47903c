# The embedded corpus, written from its sources into archives laid out like the published ones.
if any(map(origins.built_here, FILES.values())):

    use rule job as mini with:
        input:
            sources=sorted(str(path) for path in Path(config["mini"]["source"]).glob("*/*.*") if path.is_file()),
            frames=f"{config['mini']['source']}/frames.yaml",
        output:
            evaluation=f"{RESULTS}/mini/XNLI-1.0.zip",
            training=f"{RESULTS}/mini/XNLI-MT-1.0.zip",
            text=f"{RESULTS}/mini/pretrain.txt",
            provenance=f"{RESULTS}/mini/provenance.json",
        log:
            f"{RESULTS}/logs/mini.log",
        threads: 2  # as many processes tokenise
        params:
            **keyed("mini"),
