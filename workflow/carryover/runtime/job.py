"""What every script shares: its arguments, its log, its provenance, and how it fails.

A script calls `run_job(work)`; `work` gets a `Job`, whose files have the names that its rule gives them. Bad input ends it
with one line and status 1; anything unexpected leaves its traceback in the log and one line on the screen. A job that is
asked to stop ends with one line and the status that shells use: 143 for SIGTERM, 130 for Ctrl-C, 129 for a closed terminal.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carryover.runtime import files, signals
from carryover.runtime.errors import BadInput
from carryover.runtime.heartbeat import start_heartbeat
from carryover.runtime.redaction import redact
from carryover.runtime.timing import wait_for_idle_machine

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pandas", "scipy", "snakemake")
OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory")  # torch's errors are RuntimeErrors
log = logging.getLogger("carryover")


@dataclass
class Job:
    """One run of one script: the rule's slice of the config, the paths by name, and facts for the provenance."""

    key: str
    config: Any
    inputs: dict[str, list[Path]]
    outputs: dict[str, list[Path]]
    gpu: int = 0
    scratch: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def input(self, name: str) -> Path:
        """The one path of this input."""
        (path,) = self.inputs[name]
        return path

    def output(self, name: str) -> Path:
        """The one path of this output."""
        (path,) = self.outputs[name]
        return path

    def resume_directory(self) -> Path | None:
        """The place for checkpoints of this very job: of its output's path, its key and the bytes of all its inputs."""
        if self.scratch is None:
            return None
        (first, *_), *_ = self.outputs.values()
        inputs = [files.sha256(path) for paths in self.inputs.values() for path in paths]
        identity = json.dumps([str(first), self.key, inputs])
        return self.scratch / hashlib.sha256(identity.encode()).hexdigest()[:24]


def run_job(work: Callable[[Job], None]) -> None:
    """Parses the command line, runs `work`, writes the provenance; exits with another status than 0 where it fails."""
    arguments = _parse()
    signals.listen()
    _log_to(arguments.log)
    start_heartbeat(arguments.minutes)
    outputs = _named(arguments.outputs, arguments.output_names)
    outputs.pop("provenance", None)
    job = Job(
        key=arguments.key,
        config=json.loads(arguments.key)["config"],
        inputs=_named(arguments.inputs, arguments.input_names),
        outputs=outputs,
        gpu=arguments.gpu,
        scratch=arguments.scratch,
    )
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        _correct_clock_skew(path for paths in job.inputs.values() for path in paths)
        if arguments.alone:
            wait_for_idle_machine(arguments.alone)
        work(job)
        if arguments.provenance:
            files.write_json(arguments.provenance, _redacted(_provenance(job, started, time.monotonic() - clock)))
        signals.silence()
    except BadInput as error:
        _fail(str(error), arguments.log, debug=arguments.debug)
    except signals.Stopped as stop:
        _fail(str(stop), arguments.log, debug=arguments.debug, status=stop.status)
    except Exception as error:
        if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
            message = f"out of memory ({error}); give the rule more by --set-resources RULE:mem_mb=N, on a GPU a larger one"
            message += "; training takes less with a smaller micro_batch_size in its recipe"
            _fail(message.replace(" ()", ""), arguments.log, debug=arguments.debug)
        _fail(f"{type(error).__name__}: {error}", arguments.log, debug=arguments.debug, unexpected=True)


def _parse() -> argparse.Namespace:
    # A job that starts itself again, on several GPUs, cannot read a pipe twice.
    sys.argv[1:] = list(_expanded(sys.argv[1:]))
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--key", required=True, help="canonical JSON of the rule's config and code (carryover.planning.keys)")
    for kind in ("input", "output"):
        parser.add_argument(f"--{kind}s", type=Path, nargs="*", default=[], help=f"the rule's {kind} files")
        parser.add_argument(f"--{kind}-names", type=ast.literal_eval, default={}, help="where each name's files stand among them")
    parser.add_argument("--log", type=Path, help="where the log goes, beside the screen")
    parser.add_argument("--provenance", type=Path, help="where to record how the outputs were made")
    parser.add_argument("--gpu", type=int, default=0, help="GPUs that the job was given; 0 means the CPU")
    parser.add_argument("--alone", type=int, default=0, help="cores of a job that measures time; 0: it measures none")
    parser.add_argument("--minutes", type=float, default=0, help="the time limit; 0 means none")
    parser.add_argument("--scratch", type=Path, help="where checkpoints of unfinished jobs lie")
    parser.add_argument("--debug", action="store_true", default=bool(os.environ.get("CARRYOVER_DEBUG")))
    return parser.parse_args()


def _expanded(words: Sequence[str]) -> Iterator[str]:
    """The words of a command line, where `@file` stands for the lines of a file: a list of files outgrows a command line."""
    for word in words:
        if word.startswith("@"):
            yield from filter(None, Path(word[1:]).read_text(encoding="utf-8").split("\n"))
        else:
            yield word


def _named(paths: Sequence[Path], spans: dict[str, tuple[int, int | None]]) -> dict[str, list[Path]]:
    """Files by name, as Snakemake's `Namedlist` numbers them: from a place up to another, or in that place alone."""
    return {name: list(paths[start : start + 1 if end is None else end]) for name, (start, end) in spans.items()}


def _correct_clock_skew(paths: Iterable[Path]) -> None:
    """Sets modification times that lie in the future to now: Snakemake throws away outputs that are older than their inputs."""
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mtime > time.time() + 1:
                os.utime(path)
                log.info("%s: clock skew, its modification time lies in the future; set to now", path)


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _log_to(path: Path | None) -> None:
    logging.raiseExceptions = False  # a log on a full disk must not bury the job's own line under its traceback
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
        except OSError as error:
            sys.exit(f"error: cannot write the log {path}: {error.strerror or error}")
    for handler in handlers:
        handler.setFormatter(_RedactingFormatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=handlers)
    for chatty in ("urllib3", "matplotlib", "fontTools"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _fail(message: str, path: Path | None, debug: bool, unexpected: bool = False, status: int = 1) -> None:
    """One line on the screen and in the log; the traceback where it was asked for, and of a bug of ours in the log."""
    signals.silence()
    line = " ".join(message.split())
    if debug or (unexpected and path is None):
        log.error(traceback.format_exc())
    elif unexpected:
        record = log.makeRecord(log.name, logging.ERROR, __file__, 0, traceback.format_exc(), (), None)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.emit(record)
    log.error("error: %s%s", line, f" (log: {path})" if path else "")
    sys.exit(status)


def _provenance(job: Job, started: datetime, seconds: float) -> dict[str, Any]:
    return {
        "key": json.loads(job.key),
        "inputs": {str(path): files.sha256(path) for paths in job.inputs.values() for path in paths if path.is_file()},
        "outputs": {str(path): files.sha256(path) for paths in job.outputs.values() for path in paths if path.is_file()},
        "facts": job.facts,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_memory_mb()),
        "host": platform.node(),
        "device": _device(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git_commit": _git_commit(),
    }


def _redacted(facts: dict[str, Any]) -> dict[str, Any]:
    return json.loads(redact(json.dumps(facts, ensure_ascii=False)))


def _device() -> str:
    """The GPU that the job computed on, or the kind of processor; torch is asked only where the job used it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU"


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MiB.

    Linux counts in `ru_maxrss` also what started the process, from before it became this program: a job would never be smaller
    than Snakemake.
    """
    with suppress(OSError):
        (peak,) = re.findall(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
        return int(peak) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
