"""The study's configuration: checked against its schema, with defaults filled in."""

from __future__ import annotations

import copy
import difflib
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from carryover.runtime.errors import BadInput


def resolve(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in.

    Raises BadInput with the first problem: an unknown key and the nearest known one, a value out of bounds or of another
    type, a name that does not exist.
    """
    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(config), key=lambda error: len(error.absolute_path)):
        raise BadInput(f"config: {_describe(error)}")
    resolved = _fill(copy.deepcopy(config), schema, schema)
    _check_names(resolved)
    return resolved


def _describe(error: jsonschema.ValidationError) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "(top level)"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        near = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key {'' if place == '(top level)' else place + '.'}{unknown}; {hint}"
    slip = (
        " (YAML reads 1e-4 as text: write 1.0e-4)"
        if isinstance(error.instance, str) and error.validator in ("type", "anyOf")
        else ""
    )
    return f"{place}: {error.message}{slip}"


def _fill(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Defaults at every depth; a mapping marked `x-partial` overrides another and is left as it is."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if isinstance(value, dict) and not schema.get("x-partial"):
        for name, inner in schema.get("properties", {}).items():
            if name not in value and "default" in inner:
                value[name] = copy.deepcopy(inner["default"])
            if name in value:
                value[name] = _fill(value[name], inner, root)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            known = schema.get("properties", {})
            value.update({name: _fill(item, others, root) for name, item in value.items() if name not in known})
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        value = [_fill(item, schema["items"], root) for item in value]
    return value


def _check_names(config: dict[str, Any]) -> None:
    """Names that must exist elsewhere in the config."""
    finetune, languages = config["finetune"], config["languages"]
    variants, sets = finetune["variants"], finetune["sets"]

    def check(name: str, known: Any, place: str) -> None:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(map(str, known))}"
            raise BadInput(f"config: {place}: unknown name {name!r}; {hint}")

    for number, run in enumerate(finetune["runs"]):
        check(run["variant"], variants, f"finetune.runs.{number}.variant")
        check(run["train"], [*languages, *sets], f"finetune.runs.{number}.train")
    for name, members in sets.items():
        if name in languages:
            raise BadInput(f"config: finetune.sets.{name}: a list of languages cannot have a language's name")
        for member in members if name in {run["train"] for run in finetune["runs"]} else ():
            check(member, languages, f"finetune.sets.{name}")
    for language in config["corpus"]["train_languages"]:
        check(language, languages, "corpus.train_languages")
    check(finetune["primary_variant"], variants, "finetune.primary_variant")
    check(config["tokens"]["template"], config["tokens"]["templates"], "tokens.template")
    check(finetune["backbone"], config["models"], "finetune.backbone")
    for place, names in (
        ("predict.as_they_are", config["predict"]["as_they_are"]),
        ("generate.models", config["generate"]["models"]),
    ):
        for name in names:
            check(name, config["models"], place)
    for name in finetune["keep"] or ():
        check(name, variants, "finetune.keep")
    _check_files(config, check)


def _check_files(config: dict[str, Any], check: Any) -> None:
    """Every section names files that `fetch.files` has, and their URLs are safe to use and to show."""
    known = config["fetch"]["files"]
    for name, file in known.items():
        parts = urlsplit(file["url"])
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise BadInput(f"config: fetch.files.{name}.url: over plain http anyone can change the file; use https or a mirror")
        if parts.password or (parts.username and parts.scheme in ("http", "https")):
            raise BadInput(f"config: fetch.files.{name}.url: a login in it would be shown in the report; put it into ~/.netrc")
    for section, key in (("corpus", "evaluation"), ("corpus", "training"), ("pretrain", "text")):
        check(config[section][key], known, f"{section}.{key}")
    for key in {"files": ("vocab", "merges"), "train": ("text",)}[config["tokenizer"]["source"]]:
        check(config["tokenizer"][key], known, f"tokenizer.{key}")
    needed = {"fetch": ("config", "weights"), "directory": ("path",), "pretrain": ()}
    for name, model in config["models"].items():
        for key in needed[model["source"]]:
            if key not in model:
                raise BadInput(f"config: models.{name}: source {model['source']} needs {key}")
            if model["source"] == "fetch":
                check(model[key], known, f"models.{name}.{key}")


def recipe_of(config: dict[str, Any], variant: str) -> dict[str, Any]:
    """The recipe of a variant: the study's, with what the variant overrides."""
    return {**config["finetune"]["recipe"], **config["finetune"]["variants"][variant]}
