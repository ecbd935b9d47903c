"""Every chapter can be planned on the published study, and one that the config does not name costs nothing."""

import yaml

from carryover.planning.schema import chapters_in_use
from study_runner import PROJECT, clone, planned, snakemake

OVERLAY = "workflow/overlays/all-chapters.yaml"


def test_the_overlay_names_every_chapter():
    there = {path.parent.name for path in PROJECT.glob("workflow/chapters/*/chapter.yaml")}
    assert set(yaml.safe_load((PROJECT / OVERLAY).read_text(encoding="utf-8"))) == there
    assert {path.parent.name for path in PROJECT.glob("workflow/chapters/*/schema.yaml")} == there


def test_all_of_them_are_planned_together(tmp_path):
    directory = clone(tmp_path / "carryover")
    shown = snakemake(directory, "--dry-run", "--quiet", "rules", "--cores", "8", "--resources", "gpu=1", "--configfile", OVERLAY)
    assert shown.returncode == 0, shown.stdout[-3000:]
    assert "transfer_tables" in shown.stdout and "no limit on gpu" not in shown.stdout


def test_a_chapter_that_is_null_is_off(tmp_path):
    directory = clone(tmp_path / "carryover")
    (directory / "off.yaml").write_text("transfer: null\n", encoding="utf-8")
    jobs = planned(directory, "--configfile", "workflow/overlays/mini.yaml", "off.yaml")
    assert "transfer_tables" not in jobs and {"figures", "report"} <= set(jobs)


def test_chapters_come_in_the_order_of_the_config():
    assert chapters_in_use({"study": "x", "transfer": {}}) == ["transfer"]
    assert chapters_in_use({"study": "x", "transfer": None}) == []
