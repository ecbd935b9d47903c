"""What a configuration asks for, on configurations small enough to be read."""

import itertools
import re
from pathlib import Path

import pytest
import yaml

from carryover.planning import runs
from carryover.planning.config import recipe_of, resolve
from carryover.planning.schema import load_schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config():
    return resolve(
        {
            "study": "small",
            "languages": ["en", "de", "th", "sw"],
            "fetch": {"files": {name: {"path": name, "url": name} for name in ("xnli", "xnli_mt", "pretrain_text")}},
            "corpus": {"train_languages": ["en", "de"]},
            "tokenizer": {"source": "train"},
            "models": {
                "toy": {"source": "pretrain"},
                "mine": {"source": "directory", "path": "m"},
                "idle": {"source": "pretrain"},
            },
            "finetune": {
                "backbone": "toy",
                "variants": {"baseline": {}, "blind": {"view": "hypothesis"}},
                "sets": {"joint": ["en", "de", "th"], "far": ["th", "sw"]},
                "runs": [
                    {"variant": "baseline", "train": "en", "seeds": [0, 1]},
                    {"variant": "blind", "train": "en", "seeds": [3]},
                    {"variant": "baseline", "train": "de"},
                    {"variant": "baseline", "train": "joint"},
                ],
            },
            "predict": {"as_they_are": ["mine"]},
        },
        load_schema(),
    )


def test_every_run_is_one_model_for_each_seed(config):
    assert [run.path for run in runs.trained_runs(config)] == [
        "toy/full/baseline/en/seed0",
        "toy/full/baseline/en/seed1",
        "toy/full/blind/en/seed3",
        "toy/full/baseline/de/seed0",
        "toy/full/baseline/joint/seed0",
    ]


def test_a_set_is_trained_on_the_languages_that_have_text(config):
    assert runs.trained_runs(config)[-1].languages == ("en", "de")
    assert runs.members(config, "joint") == ["en", "de", "th"]
    assert runs.members(config, "sw") == ["sw"]


@pytest.mark.parametrize("train", ["th", "far"])
def test_what_has_no_training_text_at_all_is_not_trained(config, train):
    config["finetune"]["runs"].append({"variant": "baseline", "train": train, "seeds": [0]})
    assert train not in {run.train for run in runs.trained_runs(config)}
    assert set(runs.without_training_text(config)) >= set(runs.members(config, train))


def test_languages_without_text_are_named_once(config):
    assert runs.without_training_text(config) == ["th"]
    config["finetune"]["runs"].append({"variant": "baseline", "train": "far", "seeds": [0]})
    assert runs.without_training_text(config) == ["sw", "th"]


def test_a_run_that_is_asked_for_twice_is_one_run(config):
    config["finetune"]["runs"].append({"variant": "baseline", "train": "en", "seeds": [1, 2]})
    paths = [run.path for run in runs.trained_runs(config)]
    assert len(paths) == len(set(paths))
    assert "toy/full/baseline/en/seed2" in paths


def test_a_variant_brings_its_view(config):
    assert {run.variant: run.view for run in runs.trained_runs(config)} == {"baseline": "full", "blind": "hypothesis"}


def test_models_as_they_are_come_last_and_belong_to_no_language(config):
    last = runs.evaluated_runs(config)[-1]
    assert (last.path, last.view, last.languages) == ("mine/none/none/none/seed0", "full", ())
    assert runs.evaluated_runs(config)[:-1] == runs.trained_runs(config)


def test_every_model_is_asked_all_languages_and_controls_only_what_they_learned(config):
    everything = ["en", "de", "th", "sw"]
    assert runs.predictions(config) == {
        ("toy/full/baseline/en/seed0", "full"): everything,
        ("toy/full/baseline/en/seed1", "full"): everything,
        ("toy/full/blind/en/seed3", "hypothesis"): ["en"],
        ("toy/full/baseline/de/seed0", "full"): everything,
        ("toy/full/baseline/joint/seed0", "full"): everything,
        ("mine/none/none/none/seed0", "full"): everything,
        ("toy/full/baseline/en/seed0", "shuffled"): ["en"],
        ("toy/full/baseline/en/seed1", "shuffled"): ["en"],
    }


def test_the_shuffled_control_can_be_left_out(config):
    config["predict"]["shuffled"] = False
    assert {view for _, view in runs.predictions(config)} == {"full", "hypothesis"}


def test_the_primary_english_runs_are_those_of_the_named_variant(config):
    assert [run.path for run in runs.primary_english(config)] == ["toy/full/baseline/en/seed0", "toy/full/baseline/en/seed1"]
    config["finetune"]["primary_variant"] = "blind"
    assert runs.primary_english(config) == []  # it could not be asked the languages that selection reads


def test_models_that_nothing_uses_are_not_made(config):
    assert runs.models_in_use(config) == ["toy", "mine"]
    config["generate"]["models"] = ["idle"]
    assert runs.models_in_use(config) == ["toy", "mine", "idle"]


# ------------------------------------------------------------------------------------------ shipped studies


def shipped(*overlays: str) -> dict:
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for overlay in overlays:
        merge(merged, yaml.safe_load((ROOT / "workflow" / "overlays" / overlay).read_text(encoding="utf-8")))
    return resolve(merged, load_schema())


def merge(base: dict, overlay: dict) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def test_the_sample_study_trains_what_it_says():
    config = shipped("sample.yaml")
    trained = [(run.variant, run.train, run.languages) for run in runs.trained_runs(config)]
    joint = ("en", "es", "fr", "de", "ar")
    assert trained == [
        ("baseline", "en", ("en",)),
        *(("lr_high", language, (language,)) for language in ("en", "es", "fr", "de", "ar")),
        ("lr_high", "joint", joint),
        ("equal_updates", "joint", joint),
        ("hypothesis", "en", ("en",)),
    ]
    assert {run.seed for run in runs.trained_runs(config)} == {0}
    assert runs.models_in_use(config) == ["toy"]
    assert runs.without_training_text(config) == []
    assert len(config["languages"]) == 15
    assert set(config["languages"]) - set(config["corpus"]["train_languages"]) == {"el", "bg", "ru", "hi", "th"}


def test_the_published_study_trains_english_in_every_variant_and_the_report_s_models():
    config = shipped()
    trained = runs.trained_runs(config)
    variants = set(config["finetune"]["variants"])
    assert {run.variant for run in trained if run.train == "en"} == variants - {"equal_updates"}
    (short,) = [run for run in trained if run.variant == "equal_updates"]
    rows, batch = config["corpus"]["expected_rows"]["train"], recipe_of(config, "baseline")["batch_size"]
    assert short.train == "report"  # has as many updates as a model of one language
    assert recipe_of(config, "equal_updates")["max_updates"] == -(-rows // batch)
    assert {run.train for run in trained} == {"en", "es", "fr", "de", "bg", "ar", "el", "hi", "report", "all"}
    assert len(next(run for run in trained if run.train == "all").languages) == 15
    assert [run.seed for run in runs.primary_english(config)] == [0, 1, 2]
    assert {run.backbone for run in trained} == {"gpt2"}


def test_the_mini_study_asks_each_trained_language_what_its_hypotheses_alone_give_away():
    trained = runs.trained_runs(shipped("mini.yaml"))
    assert {run.train for run in trained if run.view == "hypothesis"} == {"en", "fr", "es"}


def test_a_pattern_matches_its_paths_and_no_other():
    parts = [["gpt2", "toy"], ["full"], ["base", "base.1", "a+b"], ["en", "de", "joint"], ["seed0", "seed1", "seed10"]]
    every = ["/".join(path) for path in itertools.product(*parts)]
    some = [path for place, path in enumerate(every) if place % 7 and place % 5]
    for chosen in (every, some, every[:1], []):
        compiled = re.compile(runs.pattern(chosen))
        assert [path for path in every if compiled.fullmatch(path)] == chosen
        assert not compiled.fullmatch("toy/full/baseX1/en/seed0")


def test_the_pattern_of_a_thousand_runs_is_short_and_always_the_same():
    paths = [f"toy/full/v{variant}/{train}/seed{seed}" for variant in range(20) for train in "abcdefghij" for seed in range(5)]
    assert runs.pattern(paths) == runs.pattern(reversed(paths))
    assert len(runs.pattern(paths)) < 300
