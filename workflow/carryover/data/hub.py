"""A model of the Hugging Face hub at one revision: safetensors and its tokeniser, each file held to the hub's own checksum.

HF_ENDPOINT names another hub or a mirror of it, HF_TOKEN is the login; huggingface_hub reads both.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carryover.data import model_files
from carryover.runtime import files
from carryover.runtime.errors import BadInput

log = logging.getLogger("carryover")


def fetch_model(repository: str, revision: str, directory: Path) -> dict[str, str]:
    """Brings a model into a directory, its weights in one file, and returns the SHA-256 of each file that was downloaded.

    Raises BadInput where the hub cannot be reached, has not got the model or revision, asks for a licence to be accepted, or
    serves another file than it lists, and for a model without safetensors.
    """
    from huggingface_hub import hf_hub_download

    listed = inspect(repository, revision)
    sums = {}
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hub-", dir=directory) as scratch:
        sources: dict[str, Path] = {}
        asked = [name for name in (*model_files.NEEDED, *model_files.FURTHER, *_weights(listed)) if name in listed]
        for name in asked:
            with _one_line(repository, revision):
                path = hf_hub_download(repository, name, revision=revision, local_dir=scratch, endpoint=_endpoint())
            sources[name] = Path(path)
            sums[name] = _verify(f"{repository}: {name}", sources[name], listed[name])
            if name == model_files.INDEX:
                asked += [part for part in model_files.parts_of(sources[name]) if part in listed]
        model_files.assemble(sources, directory)
    log.info("%s at %s: %d files", repository, revision, len(sums))
    return sums


def before_start(models: Iterable[Mapping[str, Any]]) -> str | None:
    """What would keep these models (repo, revision) from being fetched, in one line; None where nothing is known to."""
    try:
        for model in models:
            inspect(model["repo"], model["revision"])
    except BadInput as problem:
        return str(problem)
    return None


def inspect(repository: str, revision: str) -> dict[str, Any]:
    """The files of a model as the hub lists them, by name. Raises BadInput as `fetch_model` does."""
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url

    with _one_line(repository, revision):
        found = HfApi(endpoint=_endpoint()).model_info(repository, revision=revision, files_metadata=True)
        # All may read the list of a gated model; its files are refused.
        get_hf_file_metadata(hf_hub_url(repository, "config.json", revision=revision, endpoint=_endpoint()), endpoint=_endpoint())
    listed = {file.rfilename: file for file in found.siblings or ()}
    if not _weights(listed):
        raise BadInput(f"{repository} at {revision[:12]}: no safetensors; pickled weights are never loaded")
    return listed


def _weights(listed: dict[str, Any]) -> list[str]:
    """The file of weights, or the index of several."""
    return [name for name in (model_files.WEIGHTS, model_files.INDEX) if name in listed][:1]


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _verify(label: str, path: Path, listed: Any) -> str:
    """Holds a file to what the hub lists: the SHA-256 of a large file, git's own checksum of a small one."""
    found = files.sha256(path)
    if listed.lfs is not None:
        wanted, actual = listed.lfs.sha256, found
    else:
        content = path.read_bytes()
        wanted, actual = listed.blob_id, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if wanted != actual:
        raise BadInput(f"{label}: its checksum is {actual}, the hub lists {wanted}; the download is damaged: run again")
    return found


@contextmanager
def _one_line(repository: str, revision: str) -> Iterator[None]:
    """What the hub's library raises, as one line of what to do."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise BadInput(
            f"{repository} is gated: accept its licence on its page and set HF_TOKEN to a token of that account"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise BadInput(f"{repository} has no revision {revision}") from error
    except errors.RepositoryNotFoundError as error:
        raise BadInput(f"the hub has no model {repository}, or it is private: check the name, or set HF_TOKEN") from error
    except errors.EntryNotFoundError as error:
        raise BadInput(f"{repository} at {revision[:12]} has no config.json: not a model of transformers") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        hint = "accept its licence on its page and set HF_TOKEN" if status in (401, 403) else "try again later"
        raise BadInput(f"cannot fetch {repository} from the hub: status {status}; {hint}") from error
    except (errors.HTTPError, OSError) as error:
        raise BadInput(
            f"cannot fetch {repository}: no hub in reach ({type(error).__name__}); check the network, set HF_ENDPOINT to a "
            "mirror of the hub, or copy the model and use source directory"
        ) from error
