# The embedded corpus, written from its sources into archives laid out like the published ones.
if any(file["url"].startswith("mini:") for file in FILES.values()):

    rule mini:
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
        conda:
            "../../envs/carryover.yaml"
        resources:
            runtime=growing(120),
        params:
            key=key("mini"),
        shell:
            "python $SCRIPTS/mini.py --key {params.key:q} --log {log:q} --provenance {output.provenance:q}"
            " --minutes {resources.runtime} --frames {input.frames:q} --sources {input.sources:q}"
            " --evaluation {output.evaluation:q} --training {output.training:q} --text {output.text:q}"
