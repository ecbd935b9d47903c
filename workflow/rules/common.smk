# What all stages share: the resolved config, the key, the names of paths, and how scripts are called.
import csv
import json
import os
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from carryover.planning import origins, paths, runs
from carryover.runtime import locks
from carryover.planning.config import recipe_of, resolve
from carryover.planning.schema import chapters_in_use, encoding_options, load_schema, method_files, reading_options, task_terms
from carryover.runtime.redaction import redact
from carryover.planning.yaml_files import read_yaml
from carryover.runtime.errors import BadInput
from carryover.data import fetch as fetching, hub, model_files as directories
from carryover.planning.keys import make_key
from carryover.planning.workload import workload
from carryover.reporting.chapters import FILE, FOLDER, Figure, Table, read_chapter
from carryover.reporting.functions import parts

try:
    for path in workflow.configfiles if workflow.is_main_process else ():
        read_yaml(Path(path))  # Snakemake lets the last of two equal keys win in silence
    SCHEMA = load_schema()
    config = resolve(dict(config), SCHEMA)
    CHAPTERS = {name: read_chapter(FOLDER / name / FILE) for name in chapters_in_use(config)}
    PREDICTIONS = runs.predictions(config)
    NEEDED = [config["fetch"]["files"][name] for name in runs.files_in_use(config)]
except BadInput as problem:
    sys.exit(f"error: {problem}")

RESULTS = f"results/{config['study']}"
AT = paths.Layout(RESULTS)  # where each file of the study lies
DOWNLOADS = "data/downloads"
SCRIPTS = str(Path(workflow.basedir) / "workflow" / "scripts")
LANGUAGES = config["languages"]
FILES = config["fetch"]["files"]
with open("data/languages.csv", encoding="utf-8", newline="") as known:
    KNOWN = {row["language"]: row for row in csv.DictReader(known)}

# Scripts find the library in every deployment; outside conda they run in the Python that runs Snakemake. The safe path keeps
# the scripts' own folder out of the way of imports: `select` is also a module of Python's. Nothing splits at spaces in paths,
# and text is UTF-8 in every locale.
environment = [
    "IFS=",
    f"export PYTHONSAFEPATH=1 PYTHONUTF8=1 PYTHONPATH={shlex.quote(str(Path(workflow.basedir) / 'workflow'))}",
    f"export SCRIPTS={shlex.quote(SCRIPTS)} SCRATCH={shlex.quote(f'{RESULTS}/scratch')}",
    # glibc hands freed memory back to the system at once; keeping it saves a training step of the toy model a quarter.
    "export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648 MALLOC_TOP_PAD_=67108864",
    # Large pages: a step of GPT-2 124M takes 5 to 10 % less time.
    "export GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
]
if "conda" not in {str(method) for method in workflow.deployment_settings.deployment_method}:
    environment.append(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
shell.prefix("; ".join(environment).replace("{", "{{").replace("}", "}}") + "; ")
# Where files come from is in no key; fetching runs where Snakemake does, and so inherits this.
os.environ.update(FETCH_FROM=json.dumps({file["path"]: file for file in FILES.values()}))

if workflow.is_main_process and locks.clear_stale_locks(Path(".snakemake")):
    print("removed the locks of a Snakemake that was killed", file=sys.stderr)
if "gpu" not in workflow.global_resources and workflow.is_main_process:  # not in `onstart`, which a dry run does not reach
    print(
        "no limit on gpu: all GPU jobs may start at once, and wait for a free GPU while they hold their cores; "
        "add --resources gpu=N (0 runs on the CPU)",
        file=sys.stderr,
    )
if missing := runs.without_training_text(config):
    print(f"no training text in this source, evaluated zero-shot only: {', '.join(missing)}", file=sys.stderr)


wildcard_constraints:
    language="|".join(LANGUAGES),
    split="dev|test|train",
    tokenizer="|".join(runs.tokenizers_in_use(config)),
    task="|".join(config["tasks"]),
    view="|".join(sorted({view for task in config["tasks"] for view in runs.views_of(task)})),
    model="|".join(config["models"]),
    run=r"[^/]+(?:/[^/]+){4}/seed\d+",


def keyed(script, **slice):
    """Script and key of a rule. The key is its slice of the config, of which functions are asked for each job,
    and its code."""

    def key(wildcards):
        values = {name: value(wildcards) if callable(value) else value for name, value in slice.items()}
        return make_key(f"{SCRIPTS}/{script}.py", values)

    return {"script": f"{script}.py", "key": key}


def growing(amount):
    """A resource of which each further attempt gets as much again: a job that ran out of memory or time needs more."""
    return lambda wildcards, attempt: amount * attempt


# All that Snakemake may use; on a cluster, where it counts no cores, a node of its own takes their place.
ALL_CORES = workflow.resource_settings.cores or 1


def needs(runtime, gpu=0, alone=False, **amounts):
    """What a rule asks for, `mem_mb`, `runtime` in minutes, and GPUs.

    Where time is measured, a rule says `alone=True` here and has ALL_CORES as threads, so that nothing runs beside its jobs, which refuse a busy
    machine. No key knows of it.
    """
    node = {"slurm_extra": "--open-mode=append --exclusive"} if alone else {}  # else the profile's, which knows no rules
    return {
        "gpu": gpu,
        "alone": ALL_CORES if alone else 0,
        **node,
        **{name: growing(amount) for name, amount in (amounts | {"runtime": runtime}).items()},
    }


# How every job is called. Lists of files and keys go through pipes: they grow with the runs and outgrow a command line.
ENVIRONMENT = str(Path(workflow.basedir) / "envs" / "carryover.yaml")  # rules of chapters lie one folder deeper
RUN = (
    "python $SCRIPTS/{params.script} --key @<(printf '%s\\n' {params.key:q})"
    " --inputs @<(printf '%s\\n' {input:q}) --input-names {input._names:q}"
    " --outputs @<(printf '%s\\n' {output:q}) --output-names {output._names:q}"
    " --log {log:q} --provenance {output.provenance:q} --minutes {resources.runtime} --gpu {resources.gpu}"
    " --alone {resources.alone} --scratch $SCRATCH"
)


def downloaded(name):
    """Where the file with this name in fetch.files lies once fetched."""
    return f"{DOWNLOADS}/{FILES[name]['path']}"


def model_files(name):
    """The files of a model that was not fine-tuned."""
    return paths.model_files(AT.pretrained(name))


RUNS = {run.name: run for run in runs.trained_runs(config)}
EVALUATED = {run.name: run for run in runs.asked_runs(config)}
MAIN_TASK, MAIN_TOKENIZER = config["finetune"]["task"], runs.tokenizer_of(config, config["finetune"]["model"])
TRAINING_RECORDS = [f"{AT.run(run)}/training.json" for run in RUNS]
PRETRAINED = [name for name in runs.models_in_use(config) if config["models"][name]["source"] == "pretrain"]
SOURCE_RUNS = [AT.predictions(run.name, run.system.task, run.view) for run in runs.primary_source_runs(config)]
FERTILITIES = [AT.fertility(tokenizer, MAIN_TASK) for tokenizer in runs.tokenizers_in_use(config)]
DECLARED = [os.path.relpath(FOLDER / name / FILE) for name in CHAPTERS]
FIGURES = [(chapter, name) for chapter in CHAPTERS.values() for name in chapter.figures]
MADE = []  # provenance of the chapters' own jobs, which the report lists
WORK = workload(config)  # every job of the shared stages, and what it has to do
DRAWN = {  # what the keys of figures and paper hold of the chapters' declarations
    "figures": {name: chapter.functions(Figure) for name, chapter in CHAPTERS.items()},
    "parts": parts({name: chapter.functions(Figure).values() for name, chapter in CHAPTERS.items()}),
    "look": {
        "listed": LANGUAGES,
        "confidence": config["report"]["confidence"],
        "source": config["source_language"],
        **config["figures"],
    },
}


def tables_of(chapter):
    """The files of a chapter's tables."""
    return [AT.table(chapter, name) for name in CHAPTERS[chapter].tables]


def functions_of(chapter):
    """What the key of a chapter's tables holds of its declaration: the function of each table; and the metrics of the tasks."""
    functions = CHAPTERS[chapter].functions(Table)
    metrics = {task: runs.metrics_of(config, task) for task in sorted({task for _, task, _ in PREDICTIONS})}
    names = sorted({name for names in metrics.values() for name in names})
    return {"tables": functions, "metrics": metrics, "parts": parts({chapter: functions.values()}) | {"metrics": names}}


def files_of_run(run):
    """What training leaves in a run's directory to be opened: the method's files, the answer's, and the tokeniser."""
    system = RUNS[run].system
    names = [*method_files(system.method), *runs.answer_files(system.task), *paths.TOKENIZER_FILES]
    return [f"{AT.run(run)}/{name}" for name in dict.fromkeys(names)]


def is_whole(run):
    """Whether a run's own directory is a model, which needs no other to be opened."""
    return set(paths.MODEL_FILES) <= set(method_files(EVALUATED[run].system.method))


def model_of(run):
    """The files of the model that an evaluated run is, or that it adds to."""
    system = EVALUATED[run].system
    if system.method != paths.NOTHING and is_whole(run):
        return [f"{AT.run(run)}/{name}" for name in (*paths.MODEL_FILES, *paths.TOKENIZER_FILES)]
    return model_files(system.model)


def added_by(run):
    """The files that a run adds to its model."""
    return (
        [] if EVALUATED[run].system.method == paths.NOTHING else [path for path in files_of_run(run) if path not in model_of(run)]
    )


def implementation_of(model):
    """The module of carryover.models that runs a model."""
    return config["models"][model]["implementation"]


def parts_of(run, task):
    """The modules that work with a run and a task: in the keys of their jobs."""
    system = EVALUATED[run].system
    return {
        "models": implementation_of(system.model),
        "methods": system.method,
        "answers": runs.answer_of(task),
    }


def file_at(path):
    """The entry of fetch.files with this path."""
    return next(file for file in FILES.values() if file["path"] == path)


def source_of(wildcards):
    """The built file that stands behind a `mini:` URL; nothing for what comes from elsewhere."""
    name = origins.built_here(file_at(wildcards.path))
    return f"{RESULTS}/mini/{name}" if name else []


def model_sources(wildcards):
    """The files that a model from elsewhere is made of."""
    model = config["models"][wildcards.model]
    if model["source"] == "directory":
        return [str(path) for path in directories.in_directory(Path(model["path"]))]
    if model["source"] == "hub":
        return paths.foreign_files(origins.snapshot(model, DOWNLOADS))
    return [downloaded(name) for name in origins.files_of_model(model)]


def tokenizer_files(name):
    """The files of a tokeniser: one of `tokenizers`, or the one that a model's directory brings."""
    if name in config["tokenizers"]:
        return [f"{AT.tokenizer(name)}/{file}" for file in paths.TOKENIZER_FILES]
    return [f"{AT.pretrained(name)}/{file}" for file in paths.TOKENIZER_FILES]


def tokens_of(split):
    """The tokens of all languages that a run is trained on, under the view that it sees."""

    def tokens(wildcards):
        run = RUNS[wildcards.run]
        tokenizer = runs.tokenizer_of(config, run.system.model)
        return [AT.tokens(tokenizer, run.system.task, run.view, language, split) for language in run.languages]

    return tokens


def asked(languages):
    """A constraint on {run}/{task}/{view}: those that are asked exactly these languages."""
    return runs.pattern("/".join(place) for place, theirs in PREDICTIONS.items() if theirs == languages)


def read_as(splits):
    """The slice of the config by which rows of these splits are read, and the task's own code."""
    return {
        "parts": lambda wildcards: {"tasks": wildcards.task},
        "language": lambda wildcards: wildcards.language,
        "unsegmented": lambda wildcards: KNOWN[wildcards.language]["spaces"] == "no",
        "options": lambda wildcards: reading_options(SCHEMA, config, wildcards.task, splits, wildcards.language),
    }


def sources_of(splits):
    """The files that hold these splits: one archive, or a file each."""
    return lambda wildcards: [downloaded(name) for name in runs.source_names(config, wildcards.task, wildcards.language, splits)]


def tokenizer_sources(wildcards):
    """The files that a tokeniser is made of."""
    tokenizer = config["tokenizers"][wildcards.tokenizer]
    return [downloaded(tokenizer[name]) for name in {"files": ("vocab", "merges"), "train": ("text",)}[tokenizer["source"]]]


def trained_vocabulary(wildcards):
    """The entries of a vocabulary that is trained here."""
    tokenizer = config["tokenizers"][wildcards.tokenizer]
    return tokenizer["vocabulary"] if tokenizer["source"] == "train" else None


def tokenizer_sources_of_model(wildcards):
    """The one of `tokenizers` that a model names; nothing where the model brings its own."""
    model = config["models"][wildcards.model]
    return [] if origins.brings_tokenizer(model) else tokenizer_files(model["tokenizer"])


def asked_of(wildcards):
    """The run, the task and the view of a question."""
    return wildcards.asked.rsplit("/", 2)


def tokens_asked(languages):
    """The tokens of these languages, by the tokeniser of the model that is asked."""

    def tokens(wildcards):
        run, task, view = asked_of(wildcards)
        tokenizer = runs.tokenizer_of(config, EVALUATED[run].system.model)
        return [AT.tokens(tokenizer, task, view, language, split) for language in languages for split in runs.EVALUATION]

    return tokens


def trained(what):
    """A value of a run, for its key."""
    return lambda wildcards: what(RUNS[wildcards.run])


def alike(run):
    """The runs that can share a rule, which cannot have other outputs for each job, those that leave the same files, and that
    stay on disk or go once they have predicted."""
    keep = config["finetune"]["keep"]
    files = [Path(path).name for path in files_of_run(run.name)]
    added = [
        *({run.system.method} - {"full"}),
        *([runs.answer_of(run.system.task)] if runs.answer_files(run.system.task) else []),
    ]
    passing = keep is not None and run.system.variant not in keep
    return ("_".join(["finetune", *added, *(["passing"] if passing else [])]), tuple(files), passing)


onstart:
    # What is missing is said before anything runs, in one line.
    needed = [file for file in NEEDED if not Path(f"{DOWNLOADS}/{file['path']}").exists()]
    elsewhere = [file for file in needed if not origins.built_here(file)]
    hubs = [model for model in runs.hub_models(config) if not Path(origins.snapshot(model, DOWNLOADS)).exists()]
    if problem := fetching.before_start(elsewhere, Path(DOWNLOADS), Path("config.lock.yaml")) or hub.before_start(hubs):
        sys.exit(redact(f"error: {problem}"))
    # SLURM's own logs lie with their study. A profile does not know its name, and settings are not yet there above.
    if getattr(workflow.executor_settings, "logdir", "") is None:
        workflow.scheduler._executor.slurm_logdir = Path(RESULTS, "logs", "slurm").resolve()


onerror:
    # Who is killed says nothing: this is said for it.
    if any(re.search(r"SIGKILL|exit status 137", Path(path).read_text(errors="replace")) for path in log):
        print(
            "error: a job was killed, most often for want of memory; the same command goes on from its last checkpoint, "
            "--set-resources RULE:mem_mb=N asks a scheduler for more",
            file=sys.stderr,
        )
