"""Every shipped config resolves, and every slip in one is refused with the place and the nearest name."""

import copy
import datetime
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from carryover.planning.config import recipe_of, resolve
from carryover.planning.schema import WORKFLOW, load_schema
from carryover.runtime.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = sorted((ROOT / "workflow" / "overlays").glob("*.yaml"))
SCHEMA = load_schema()


def merged(base: dict, overlay: dict) -> dict:
    """As Snakemake merges config files: mappings into mappings, everything else replaces."""
    result = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


@pytest.fixture(scope="module")
def published() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def changed(published):
    """The published config with one value set at a dotted place."""

    def change(place: str, value: object) -> dict:
        config = copy.deepcopy(published)
        *path, last = place.split(".")
        inner = config
        for part in path:
            inner = inner[int(part)] if isinstance(inner, list) else inner.setdefault(part, {})
        if isinstance(inner, list):
            inner[int(last)] = value
        else:
            inner[last] = value
        return config

    return change


@pytest.mark.parametrize("overlay", [None, *OVERLAYS], ids=lambda path: path.stem if path else "config.yaml")
def test_shipped_configs_resolve(published, overlay):
    config = merged(published, yaml.safe_load(overlay.read_text(encoding="utf-8"))) if overlay else published
    before = copy.deepcopy(config)
    resolved = resolve(config, SCHEMA)
    assert config == before  # the user's own is left alone
    assert resolve(resolved, SCHEMA) == resolved  # what is written beside the results can be used again
    assert yaml.safe_load(yaml.safe_dump(resolved)) == resolved
    names = [entry["path"] for entry in resolved["fetch"]["files"].values()]
    if overlay is None:
        assert len(set(names)) == len(names)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_defaults_are_filled_at_every_depth(least):
    config = resolve(
        {**least, "transfer": {}},
        SCHEMA,
    )
    assert config["tasks"]["nli"]["expected_rows"] == {"train": 392702, "dev": 6, "test": 5010}
    assert config["fetch"]["files"]["xnli"] == {
        **{"path": "xnli", "url": "xnli", "package": None, "sha256": [], "first_use": False},
    }
    assert config["pretrain"]["recipe"]["eps"] == 1e-6
    assert config["finetune"]["recipe"] == {
        **config["pretrain"]["recipe"],
        **{"lr": 0.5, "view": "full", "method": "full", "micro_batch_size": None},
        "lora": {"rank": 8, "alpha": 16, "dropout": 0, "targets": None},
        "adapters": {"bottleneck": 64},
        "ia3": {"targets": None, "feed_forward": None},
        "last_layers": {"blocks": 2},
        "pruned": {"sparsity": 0.5},
    }
    assert config["finetune"]["runs"] == [
        {"variant": "baseline", "train": "en", "seeds": [0], "model": None, "task": None, "asked": None}
    ]
    assert config["transfer"]["fertility_groups"] == {"low": 2.0, "medium": 4.0}
    assert config["tasks"]["nli"]["template"] in config["tasks"]["nli"]["templates"]


def test_variants_stay_what_they_change(changed):
    config = resolve(changed("finetune.variants.mine", {"lr": 0.25}), SCHEMA)
    assert config["finetune"]["variants"]["mine"] == {"lr": 0.25}
    assert config["finetune"]["variants"]["baseline"] == {}
    others = set(SCHEMA["$defs"]["finetuning"]["properties"]["method"]["enum"])  # whose options are not the method's
    recipe = {name: value for name, value in config["finetune"]["recipe"].items() if name not in others}
    assert recipe_of(config, "mine") == {**recipe, "lr": 0.25}
    assert recipe_of(config, "baseline") == recipe


def test_a_variant_changes_the_method_and_single_options_of_it(changed):
    config = resolve(changed("finetune.variants.mine", {"method": "lora", "lora": {"rank": 4}}), SCHEMA)
    assert config["finetune"]["variants"]["mine"] == {"method": "lora", "lora": {"rank": 4}}  # without the other defaults
    assert recipe_of(config, "mine") == {
        **recipe_of(config, "baseline"),
        "method": "lora",
        "lora": {"rank": 4, "alpha": 16, "dropout": 0, "targets": None},
    }
    with pytest.raises(BadInput, match=r"unknown key finetune\.variants\.mine\.lora\.rnk; did you mean rank\?"):
        resolve(changed("finetune.variants.mine", {"lora": {"rnk": 4}}), SCHEMA)
    with pytest.raises(BadInput, match=r"finetune\.recipe\.method: 'lra' is none of the choices; did you mean lora\?"):
        resolve(changed("finetune.recipe.method", "lra"), SCHEMA)


def test_defaults_of_two_configs_are_not_one_object(changed):
    before = copy.deepcopy(SCHEMA)
    one, other = (resolve(changed("study", name), SCHEMA) for name in ("a", "b"))
    one["parity"]["tolerance"] = 0.5
    one["tasks"]["nli"]["templates"]["mine"] = "x"
    one["pretrain"]["recipe"]["betas"].append(1)
    assert other["parity"]["tolerance"] == 1e-4
    assert "mine" not in other["tasks"]["nli"]["templates"]
    assert before == SCHEMA


@pytest.mark.parametrize(
    ("place", "unknown", "nearest"),
    [
        ("lenguages", "lenguages", "languages"),
        ("tasks.nli.detokenise", "tasks.nli.detokenise", "detokenize"),
        ("tasks.nli.expected_rows.trian", "tasks.nli.expected_rows.trian", "train"),
        ("fetch.files.xnli.checksum256", "fetch.files.xnli.checksum256", None),
        ("fetch.files.xnli.sha_256", "fetch.files.xnli.sha_256", "sha256"),
        ("finetune.recipe.learning", "finetune.recipe.learning", None),
        ("finetune.recipe.batchsize", "finetune.recipe.batchsize", "batch_size"),
        ("finetune.variants.lr_low.epoch", "finetune.variants.lr_low.epoch", "epochs"),
        ("finetune.runs.0.seed", "finetune.runs.0.seed", "seeds"),
        ("models.toy.weight", "models.toy.weight", "weights"),
        ("transfer.fertility_groups.hi", "transfer.fertility_groups.hi", None),
        ("pretrain.recipe.weight_decai", "pretrain.recipe.weight_decai", "weight_decay"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest_name(changed, place, unknown, nearest):
    with pytest.raises(BadInput, match=rf"unknown key {re.escape(unknown)}; ") as caught:
        resolve(changed(place, 1), SCHEMA)
    assert (f"did you mean {nearest}?" if nearest else "known keys: ") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("finetune.recipe.lr", 0),
        ("finetune.recipe.lr", 1.5),
        ("finetune.recipe.epochs", 0),
        ("finetune.recipe.batch_size", 2.5),
        ("finetune.recipe.betas", [0.9]),
        ("finetune.recipe.betas", [0.9, 1.0]),
        ("finetune.recipe.dropout", 1.0),
        ("finetune.recipe.schedule", "cosign"),
        ("finetune.variants.lr_low.lr", -1.0e-5),
        ("finetune.runs", []),
        ("finetune.runs.0.seeds", [0, 0]),
        ("finetune.runs.0.seeds", [-1]),
        ("tasks.nli.subset", 0),
        ("tasks.nli.subset", 1.5),
        ("tasks.nli.subset", True),
        ("tasks.nli.train_languages", ["en", "en"]),
        ("languages", ["en", "English"]),
        ("languages", [False]),  # YAML reads `no`, Norwegian, as false
        ("study", "../elsewhere"),
        ("study", 7),
        ("fetch.files.xnli.path", "../xnli.zip"),
        ("fetch.files.xnli.path", "/xnli.zip"),
        ("fetch.files.xnli.path", "a/../../xnli.zip"),
        ("fetch.files.xnli.sha256", ["4BA1"]),
        ("tasks.nli.labels", ["0", "1"]),
        ("tasks.nli.labels", ["0", "1", "1"]),
        ("tasks.nli.max_length", 7),
        ("pretrain.held_out", 1.0),
        ("statistics.resamples", 10),
        ("report.confidence", 95),
        ("select.strategy", "best"),
        ("models", {}),
    ],
)
def test_values_out_of_bounds_are_refused_with_their_place(changed, place, value):
    with pytest.raises(BadInput, match=rf"^config: {re.escape(place)}") as caught:
        resolve(changed(place, value), SCHEMA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["finetune.recipe.lr", "finetune.variants.lr_low.lr", "pretrain.recipe.eps", "tasks.nli.subset"]
)
def test_a_number_that_yaml_reads_as_text_is_explained(changed, place):
    value = yaml.safe_load("1e-4")
    assert value == "1e-4"
    with pytest.raises(BadInput, match=rf"{re.escape(place)}.*1\.0e-4"):
        resolve(changed(place, value), SCHEMA)


def test_a_missing_section_is_named(published):
    for section in ("study", "languages", "fetch", "tokenizers", "tasks", "models", "finetune"):
        with pytest.raises(BadInput, match=section):
            resolve({name: value for name, value in published.items() if name != section}, SCHEMA)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("finetune.primary_variant", "base_line", "finetune.primary_variant.*'base_line'.*baseline"),
        ("finetune.runs.0.variant", "lr_hihg", "finetune.runs.0.variant.*'lr_hihg'.*lr_high"),
        ("finetune.runs.1.train", "english", "finetune.runs.1.train.*'english'"),
        ("finetune.runs.1.train", "reprot", "finetune.runs.1.train.*'reprot'.*report"),
        ("finetune.runs.1.train", "nl", "finetune.runs.1.train.*'nl'"),
        ("finetune.sets.report", ["en", "nl"], "finetune.sets.report.*'nl'"),
        ("finetune.sets.en", ["en", "de"], "finetune.sets.en"),
        ("finetune.model", "gtp2", "finetune.model.*'gtp2'.*gpt2"),
        ("finetune.keep", ["baseline", "lr_hihg"], "finetune.keep.*'lr_hihg'.*lr_high"),
        ("tasks.nli.train_languages", ["en", "nl"], "tasks.nli.train_languages.*'nl'"),
        ("tasks.nli.template", "corse", "tasks.nli.template.*'corse'.*course"),
        ("tokenizers.gpt2.merges", "gpt2_merge", "tokenizers.gpt2.merges.*'gpt2_merge'.*gpt2_merges"),
        ("pretrain.text", "pretrain_txt", "pretrain.text.*'pretrain_txt'.*pretrain_text"),
        ("predict.as_they_are", ["gpt3"], "predict.as_they_are.*'gpt3'.*gpt2"),
        ("generate.models", ["tony"], "generate.models.*'tony'.*toy"),
        ("models.gpt2.weights", "gpt2_weight", "models.gpt2.weights.*'gpt2_weight'.*gpt2_weights"),
        ("models.mine", {"source": "directory"}, "models.mine.*directory needs path"),
        (
            "models.mine",
            {"source": "directory", "path": "mine", "tokenizer": "gpt2"},
            "models.mine.tokenizer: does nothing where source is directory; leave it out",
        ),
        (
            "models.toy",
            {"source": "pretrain", "tokenizer": "gpt2", "weights": "gpt2_weights"},
            "models.toy.weights: does nothing",
        ),
        ("tokenizers.gpt2", {"source": "files", "vocabulary": 512}, "tokenizers.gpt2.vocabulary: does nothing"),
        ("finetune.variants.mine", {"lora": {"rank": 4}}, "finetune.variants.mine.lora: does nothing where method is full"),
        ("models.mine", {"source": "fetch", "config": "gpt2_config"}, "models.mine.*fetch needs weights"),
        (
            "models.gpt2",
            {"source": "directory", "path": "mine"},
            "models.gpt2: source directory brings .*, and tokenizers has one",
        ),
        ("models.mine", {"source": "pretrain"}, "models.mine.*pretrain needs tokenizer"),
        ("models.mine", {"source": "pretrain", "tokenizer": "gtp2"}, "models.mine.tokenizer.*'gtp2'.*gpt2"),
        ("finetune.task", "nil", "finetune.task.*'nil'.*nli"),
        ("finetune.runs.0.model", "gtp2", "finetune.runs.0.model.*'gtp2'.*gpt2"),
        ("finetune.sets.all", ["en"], "finetune.sets.all: this name is built in"),
        ("source_language", "nl", "source_language.*'nl'"),
    ],
)
def test_names_that_do_not_exist_are_refused(changed, place, value, told):
    with pytest.raises(BadInput, match=f"^config: {told}"):
        resolve(changed(place, value), SCHEMA)


def test_files_of_a_tokeniser_that_is_trained_need_not_exist(changed):
    config = changed("tokenizers.gpt2", {"source": "train", "vocab": "nothing"})
    with pytest.raises(BadInput, match=r"tokenizers\.gpt2\.vocab: does nothing where source is train"):
        resolve(config, SCHEMA)
    del config["tokenizers"]["gpt2"]["vocab"]
    for name in ("gpt2_vocab", "gpt2_merges"):  # the defaults
        del config["fetch"]["files"][name]
    assert resolve(config, SCHEMA)["tokenizers"]["gpt2"]["vocab"] == "gpt2_vocab"
    config["tokenizers"]["gpt2"]["text"] = "nothing"
    with pytest.raises(BadInput, match=r"tokenizers\.gpt2\.text"):
        resolve(config, SCHEMA)


def leaves(schema: dict, place: str = ""):
    """Every property at every depth: its place, its schema, and whether it is required there."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]] | {name: schema[name] for name in schema if name != "$ref"}
        yield from leaves(schema, place)
        return
    for name, inner in schema.get("properties", {}).items():
        yield f"{place}.{name}".lstrip("."), inner, name in schema.get("required", ())
        yield from leaves(inner, f"{place}.{name}")
    for others in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(others, dict):
            yield from leaves(others, f"{place}.*")


PROPERTIES = {place: (inner, required) for place, inner, required in leaves(SCHEMA)}
CHAPTERS = {"transfer"}  # a chapter is on where its section is there, so that it has no default
OF_A_SOURCE = ("config", "weights", "path", "tokenizer", "repo", "revision")
DEPENDS_ON_THE_SOURCE = {f"models.*.{name}" for name in OF_A_SOURCE}  # tested above
PARTS = {*(f"tasks.{name}" for name in SCHEMA["properties"]["tasks"]["properties"])}  # there or not
PARTS |= {path.parent.name for path in (WORKFLOW / "chapters").glob("*/schema.yaml")}  # there or not, and without a default


def test_the_walk_over_the_schema_reaches_its_depths():
    assert {"finetune.runs.*.seeds", "fetch.files.*.sha256", "pretrain.recipe.lr", "transfer.fertility_groups.low"} <= set(
        PROPERTIES
    )
    assert len(PROPERTIES) > 90


@pytest.mark.parametrize("place", PROPERTIES)
def test_every_key_is_described_and_has_a_default_or_is_required(place):
    schema, required = PROPERTIES[place]
    referred = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else {}
    assert len(schema.get("description", referred.get("description", ""))) >= 5
    if place not in DEPENDS_ON_THE_SOURCE | CHAPTERS | PARTS:
        assert ("default" in schema) != required
    whole = {**referred, **schema}
    typed = {"enum", "anyOf", "$ref"} & set(whole) or whole.get("type")
    assert typed
    if whole.get("type") == "object":
        assert "additionalProperties" in whole  # else unknown keys pass
    if whole.get("type") in ("number", "integer"):
        assert {"minimum", "exclusiveMinimum"} & set(whole)


@pytest.mark.parametrize("place", [place for place, (schema, _) in PROPERTIES.items() if "default" in schema])
def test_every_default_keeps_to_its_own_bounds(place):
    schema = {"$defs": SCHEMA["$defs"], **PROPERTIES[place][0]}
    jsonschema.Draft202012Validator(schema).validate(schema["default"])


def place(path: str, value: object) -> dict:
    """An overlay that sets one dotted place."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize(
    ("overlay", "told"),
    [
        (place("tasks.nli.subset", 1), "tasks.nli.subset: 1 is a single row; .* 1.0 means all"),
        (place("tasks.nli.subset", 2), "tasks.nli.subset: 2 is out of bounds; .* at least that of the labels"),
        (
            place("tasks.nli.templates.mine", "Premise: {premise} Label:"),
            r"tasks.nli.templates.mine: .*\{hypothesis\} exactly once",
        ),
        (place("tasks.nli.templates.mine", "{hypothesis} Label:"), r"tasks.nli.templates.mine: .*\{premise\} exactly once"),
        (place("tasks.nli.templates.mine", "{premise} {hypothesis} {label}"), r"tasks.nli.templates.mine: .*not \{label\}"),
        (place("tasks.nli.templates.mine", "{premise {hypothesis}"), "tasks.nli.templates.mine: not a template"),
        (
            place("tasks.nli.templates.mine", "{hypothesis} {premise}"),
            r"tasks.nli.templates.mine: .*\{premise\} before \{hypothesis\}",
        ),
        (place("tasks.nli.templates.mine", "{premise!r} {hypothesis}"), r"tasks.nli.templates.mine: .*\{premise\} as it stands"),
        (place("languages", ["en", "nl"]), "languages: unknown name 'nl'.*a new language needs a line there"),
        (place("tasks.nli.labels", [0, 1, 2]), "tasks.nli.labels.0: 0 is not a text: write it in quotes"),
        (place("languages", ["en", False]), "languages.1: False is not a text .*YAML reads yes, no"),
        (place("languages", "en"), r"languages: 'en' is not a list: write \[en\]"),
        (place("languages", ["en", "de", "en"]), "languages: 'en' stands in the list twice"),
        (place("languages", ["EN"]), "languages.0: 'EN' is not a language code such as en, pt-BR"),
        (place("finetune.runs", [{"variant": "baseline", "train": ["en", "fr"]}]), "finetune.runs.0.train: .*finetune.sets"),
        (place("finetune.runs", [{"variant": "baseline", "train": "en", "seeds": 3}]), r"finetune.runs.0.seeds: .*write \[3\]"),
        (place("finetune.recipe", None), "finetune.recipe: nothing is given where a mapping is needed"),
        (place("finetune.recipe.clip", float("inf")), "finetune.recipe.clip: inf is no number"),
        (place("finetune.recipe.lr", float("nan")), "finetune.recipe.lr: nan is no number"),
        (place("finetune.recipe.lr", "0.1"), "finetune.recipe.lr: .*write it without quotes"),
        (place("finetune.recipe.schedule", "cosin"), "finetune.recipe.schedule: .*did you mean cosine"),
        ({"finetune.recipe.lr": 0.1}, r"unknown key finetune.recipe.lr; keys are nested: \{finetune: \{recipe: \{lr: "),
        (place("study", datetime.date(2026, 1, 1)), "study: 2026-01-01 is not a text: write it in quotes"),
        ({"finetune": {"variants": {1: {"lr": 0.1}}}}, "finetune.variants.1: YAML reads this key as 1: write it in quotes"),
        (place("pretrain.heads", 3), "pretrain.heads: 3 does not divide width, which is 128"),
        (place("select.low_fertility", 5), "select.low_fertility: 5 is more than high_fertility"),
        (place("plan.machine", "h20"), "plan.machine: unknown name 'h20'; did you mean h200"),
        (place("models.mine", {"source": "directory", "path": "~/gpt2"}), "models.mine.path: .*nothing replaces ~"),
        (place("fetch.files.xnli.path", "/data/x.zip"), "fetch.files.xnli.path: '/data/x.zip' is not a path below a mirror"),
    ],
)
def test_what_a_new_user_gets_wrong_is_said_when_the_config_is_read(published, overlay, told):
    with pytest.raises(BadInput, match=rf"^config: {told}") as caught:
        resolve(merged(published, overlay), SCHEMA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("language", ["pt-BR", "zh-Hant", "es-419", "gsw", "zh-Hant-TW"])
def test_languages_of_regions_and_scripts_are_codes(published, language):
    """The schema takes them; the study needs a line of theirs in the languages' table too."""
    config = merged(published, {"languages": [*published["languages"], language]})
    jsonschema.Draft202012Validator(SCHEMA).validate(config)
    with pytest.raises(BadInput, match=f"languages: unknown name '{language}'.*a new language needs a line there"):
        resolve(config, SCHEMA)


def test_a_whole_number_with_a_point_is_a_whole_number(published):
    config = resolve(merged(published, place("finetune.recipe.batch_size", 4.0)), SCHEMA)
    assert type(config["finetune"]["recipe"]["batch_size"]) is int
    config = resolve(merged(published, place("tasks.nli.subset", 1.0)), SCHEMA)
    assert type(config["tasks"]["nli"]["subset"]) is float
