# What every rule shares: the resolved config, the key, the names of paths, and how scripts are called.
import json
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from carryover import plan
from carryover.config import load_schema, recipe_of, resolve
from carryover.errors import BadInput
from carryover.keys import make_key

try:
    config = resolve(dict(config), load_schema())
except BadInput as problem:
    sys.exit(f"error: {problem}")

RESULTS = f"results/{config['study']}"
DOWNLOADS = "data/downloads"
SCRIPTS = str(Path(workflow.basedir) / "workflow" / "scripts")
LANGUAGES = config["languages"]
FILES = config["fetch"]["files"]

# Scripts find the library in every deployment; outside conda they run in the Python that runs Snakemake.
environment = [f"export PYTHONPATH={shlex.quote(str(Path(workflow.basedir) / 'workflow'))}"]
if "conda" not in {str(method) for method in workflow.deployment_settings.deployment_method}:
    environment.append(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
shell.prefix("; ".join(environment) + "; ")

if missing := plan.without_training_text(config):
    print(f"no training text in this source, evaluated zero-shot only: {', '.join(missing)}", file=sys.stderr)


wildcard_constraints:
    language="|".join(LANGUAGES),
    split="dev|test|train",
    view="full|hypothesis|shuffled",
    model="|".join(config["models"]),
    seed=r"\d+",
    run=r"[^/]+/[^/]+/[^/]+/[^/]+/seed\d+",


def key(rule, **slice):
    """The one param of a rule: its slice of the config and its code."""
    return make_key(f"{SCRIPTS}/{rule}.py", slice)


def downloaded(name):
    """Where the file with this name in fetch.files lies once fetched."""
    return f"{DOWNLOADS}/{FILES[name]['path']}"


MODEL_FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def model_files(directory):
    """The files of a Hugging Face model directory."""
    return [f"{directory}/{name}" for name in MODEL_FILES]


def backbone(name):
    """The directory of a model that was not fine-tuned."""
    stage = "pretrain" if config["models"][name]["source"] == "pretrain" else "backbones"
    return f"{RESULTS}/{stage}/{name}"


RUNS = {run.path: run for run in plan.trained_runs(config)}
EVALUATED = {run.path: run for run in plan.evaluated_runs(config)}


def run_directory(path):
    """The model directory of an evaluated run."""
    run = EVALUATED[path]
    return backbone(run.backbone) if run.method == "none" else f"{RESULTS}/models/{path}"


onstart:
    if "gpu" not in workflow.global_resources:
        print("no limit on gpu: all GPU jobs may start at once; add --resources gpu=N (0 runs on the CPU)", file=sys.stderr)
