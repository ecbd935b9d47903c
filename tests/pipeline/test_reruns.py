"""What Snakemake alone gets wrong, on this project's own rules: nothing is missed, nothing runs for nothing.

The mini study seems to have run (empty outputs, true metadata), so that only Snakemake's decisions are tested.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from carryover.planning.keys import closure
from carryover.runtime import parts
from study_runner import PROJECT, clone, planned, snakemake
from tools.blast import LEFT_OUT, unfounded
from tools.listing import Listed, read_jobs

pytestmark = pytest.mark.slow
MINI = ("--configfile", "workflow/overlays/mini.yaml")
PRETEND = "import pathlib, sys; from tools.listing import pretend_finished; pretend_finished(pathlib.Path(), sys.argv[1:])"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    directory = clone(tmp_path_factory.mktemp("reruns") / "carryover")
    environment = {**os.environ, "PYTHONPATH": str(directory / "workflow")}
    subprocess.run([sys.executable, "-c", PRETEND, *MINI], cwd=directory, env=environment, check=True)
    return directory


def would_run(directory: Path, overlay: dict | None = None) -> dict[str, int]:
    if overlay is None:
        return planned(directory, *MINI)
    (directory / "changed.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False))
    return planned(directory, *MINI, "changed.yaml")


def jobs_of(directory: Path, *arguments: str) -> list[Listed]:
    return read_jobs(snakemake(directory, *MINI, "--dry-run", "--printshellcmds", *arguments).stdout)


def test_touching_every_file_runs_nothing(project):
    for path in project.rglob("*"):
        if path.is_file() and not {"results", "downloads", ".snakemake"} & set(path.parts):
            path.touch()
    assert would_run(project) == {}


def test_a_fresh_clone_over_finished_results_has_nothing_to_do(project, tmp_path):
    fresh = shutil.copytree(project, tmp_path / "elsewhere", ignore=LEFT_OUT, copy_function=shutil.copyfile)
    for kept in ("results", ".snakemake", "data/downloads"):
        shutil.copytree(project / kept, fresh / kept)
    assert would_run(fresh) == {}


TABULATED = {"transfer_tables", "figures", "report", "config"}
MISSED_BY_SNAKEMAKE = {
    "a value becomes one that another parameter has": ({"pretrain": {"layers": 4}}, {"pretrain"}),  # heads are 4
    "two values are swapped": ({"finetune": {"recipe": {"betas": [0.999, 0.9]}}}, {"finetune"}),
    "a flag flips beside an equal one": ({"tasks": {"nli": {"detokenize": False}}}, {"corpus_training"}),  # as is `unsegment`
    "a value changes its type alone": ({"finetune": {"recipe": {"clip": 0.0}}}, {"finetune"}),
    "a list is put in another order": (
        {"tasks": {"nli": {"labels": ["1", "0", "2"]}}},
        {"tokens_evaluation", "tokens_training"},
    ),
    "a value that a function of the wildcards gives": ({"finetune": {"variants": {"one_epoch": {"lr": 0.1}}}}, {"finetune"}),
    "a value in a rule that asks for resources": ({"predict": {"precision": "bf16"}}, {"predict_all", "predict_en"}),
}


@pytest.mark.parametrize("name", MISSED_BY_SNAKEMAKE)
def test_a_change_is_not_missed_although(project, name):
    overlay, expected = MISSED_BY_SNAKEMAKE[name]
    assert set(would_run(project, overlay)) >= expected | TABULATED


def test_one_variants_value_runs_its_own_chain(project):
    jobs = would_run(project, {"finetune": {"variants": {"one_epoch": {"lr": 0.1}}}})
    assert jobs["finetune"] == jobs["predict_all"] == 2  # of eight: English and the joint model
    assert set(jobs) == TABULATED | {"finetune", "predict_all"}


NO_REASON_TO_RUN = {
    "keys in another order": {"pretrain": {"recipe": {"dropout": 0.0, "batch_size": 8}, "positions": 512}},
    "a default written out": {"select": {"strategy": "carryover"}, "parity": {"seed": 0}},
    "the notation of a number": {"finetune": {"recipe": {"lr": 0.0007}}},
}


@pytest.mark.parametrize("name", NO_REASON_TO_RUN)
def test_nothing_runs_for(project, name):
    assert would_run(project, NO_REASON_TO_RUN[name]) == {}


def test_where_a_download_comes_from_runs_nothing_but_the_record(project):
    overlay = {"fetch": {"files": {"gpt2_vocab": {"url": "https://example.org/vocab.json"}}}}
    assert would_run(project, overlay) == {"config": 1}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("carryover/analysis/statistics.py", "def ", "NEW = 1\n\n\ndef "),
        ("carryover/training/adamw.py", "class ", "NEW = 1\n\n\nclass "),
    ],
)
def test_an_edit_of_a_module_runs_the_rules_that_import_it(project, module, old, new):
    """Directly those, by their changed key; and what reads their outputs."""
    path = project / "workflow" / module
    original = path.read_text(encoding="utf-8")
    before = {job.outputs: job for job in jobs_of(project, "--forceall")}
    try:
        path.write_text(original.replace(old, f"# a comment\n\n\n{old}", 1), encoding="utf-8")
        assert jobs_of(project) == []
        path.write_text(original.replace(old, new, 1), encoding="utf-8")
        jobs = jobs_of(project)
    finally:
        path.write_text(original, encoding="utf-8")

    def imports_it(job: Listed) -> bool:
        """By its script, or by a part that its rule names."""
        used = parts.modules(job.key["config"].get("parts", {})).values()
        script = project / "workflow/scripts" / job.command.split()[1].removeprefix("$SCRIPTS/")
        return path in closure(script, project / "workflow", tuple(project / "workflow" / parts.file_of(name) for name in used))

    importing = {outputs for outputs, job in before.items() if imports_it(job)}
    assert importing and {job.outputs for job in jobs} >= importing
    assert {job.outputs for job in jobs if job.key != before[job.outputs].key} == importing
    assert list(unfounded(jobs, before)) == []  # the others read what these make


# What runs again from where a stage's results change, to the report.
PAGE = {"report"}
DRAWN = {"figures"} | PAGE
TABLES = {"transfer_tables"} | DRAWN
STATISTICS = {"select"} | TABLES
SCORED = {"predict"} | STATISTICS
FINETUNED = {"finetune"} | SCORED
PRETRAINED = {"pretrain", "parity", "generate"} | FINETUNED
TOKENS = {"tokens_evaluation", "tokens_training", "fertility", "plan"} | FINETUNED
CORPUS = {"corpus_evaluation", "corpus_training"} | TOKENS

BLAST_OF_AN_EDIT = {
    "carryover/runtime/heartbeat.py": set(),  # what surrounds a job is in no key
    "carryover/runtime/job.py": set(),
    "carryover/planning/costs.py": {"plan"} | PAGE,
    "carryover/data/fertility.py": {"fertility"} | STATISTICS,
    "carryover/data/tokenizer.py": {"tokenizer"} | CORPUS | PRETRAINED,  # the task's module reads rows and encodes them
    "carryover/data/xnli.py": CORPUS,
    "carryover/models/packing.py": PRETRAINED,
    "carryover/models/hugging_face.py": set(),  # a model that this study does not have
    "carryover/methods/lora.py": set(),  # a method that no run of this study has
    "carryover/tasks/nli.py": CORPUS,
    "carryover/tasks/tagging.py": set(),  # a task that this study does not have
    "carryover/answers/choice.py": FINETUNED,
    "carryover/metrics/bootstrap.py": STATISTICS,
    "carryover/metrics/chrf.py": set(),  # a metric that no task of this study has
    "carryover/training/pretraining.py": PRETRAINED,
    "carryover/training/finetuning.py": FINETUNED,
    "carryover/evaluation/parity.py": {"parity"} | TABLES,
    "carryover/inspection/lens.py": set(),  # read by a chapter that this study does not have
    "carryover/analysis/selection.py": STATISTICS,
    "carryover/reporting/page.py": PAGE,
    "carryover/reporting/style.py": DRAWN,
    "carryover/reporting/latex.py": set(),  # the paper is made when it is asked for
    "chapters/adaptation/tables.py": set(),  # a chapter that this study does not have
    "chapters/interpretability/tables.py": set(),
    "chapters/transfer/tables.py": TABLES,
    "chapters/transfer/figures.py": DRAWN,
    "chapters/transfer/sentences.py": PAGE,
}


@pytest.mark.parametrize("module", BLAST_OF_AN_EDIT)
def test_an_edit_runs_the_declared_rules_and_no_other(project, module):
    path = project / "workflow" / module
    original = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{original}\n\nEDITED = True\n", encoding="utf-8")
        assert {job.family for job in jobs_of(project)} == BLAST_OF_AN_EDIT[module]
    finally:
        path.write_text(original, encoding="utf-8")


def test_every_package_has_an_edit_of_its_own():
    root = PROJECT / "workflow"
    packages = {path.parent.relative_to(root).as_posix() for path in root.glob("*/*/__init__.py")}
    assert packages == {module.rpartition("/")[0] for module in BLAST_OF_AN_EDIT}


def test_adding_and_removing_a_language_or_a_seed_trains_nothing_that_is_there(project):
    study = yaml.safe_load((project / "workflow/overlays/mini.yaml").read_text(encoding="utf-8"))
    runs = study["finetune"]["runs"]
    seeded = would_run(project, {"finetune": {"runs": [runs[0] | {"seeds": [0, 1]}, *runs[1:]]}})
    assert seeded["finetune"] == 1 and "pretrain" not in seeded
    german = would_run(project, {"finetune": {"runs": [*runs, {"variant": "baseline", "train": "de"}]}})
    assert german["finetune"] == 1 and german["predict_all"] == 1 and "pretrain" not in german
    fewer = would_run(project, {"finetune": {"runs": runs[:-1]}})
    assert not {"finetune", "predict_all", "pretrain"} & set(fewer) and set(fewer) >= TABULATED
    assert (project / "results/mini/models/toy/nli/full/one_epoch/joint/seed0/model.safetensors").exists()
    languages = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))["languages"]
    without = would_run(project, {"languages": [language for language in languages if language != "vi"]})
    assert not {"finetune", "pretrain", "tokens_evaluation", "tokens_training", "corpus_evaluation"} & set(without)


LOADED = """
import json, os, runpy, sys
import matplotlib.pyplot, pandas, scipy.stats, tokenizers, torch, transformers  # once, for all forks
for script in sys.argv[1:]:
    sys.stdout.flush()
    if not os.fork():
        runpy.run_path(script)
        print(json.dumps([script, list(sys.modules)]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """What Python loads when it runs a script, by the script's name."""
    scripts = map(str, (PROJECT / "workflow/scripts").glob("*.py"))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "PYTHONSAFEPATH": "1"}
    ran = subprocess.run([sys.executable, "-c", LOADED, *scripts], env=environment, check=True, capture_output=True, text=True)
    return {Path(script).stem: modules for script, modules in map(json.loads, ran.stdout.splitlines())}


@pytest.mark.parametrize("script", sorted(path.stem for path in (PROJECT / "workflow/scripts").glob("*.py")))
def test_a_closure_has_every_module_that_the_script_loads(loaded, script):
    """Against Python's own imports, not our reading of them."""
    root = PROJECT / "workflow"
    own = {name for name in loaded[script] if name.split(".")[0] in ("carryover", "chapters")}
    counted = {
        file.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for file in closure(root / "scripts" / f"{script}.py")
    }
    surrounding = {name for name in own if name.startswith("carryover.runtime")}
    assert {"carryover.runtime.job", "carryover.runtime.files"} <= surrounding and own - surrounding <= counted
