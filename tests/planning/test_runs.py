"""What a configuration asks for, on configurations small enough to be read."""

import itertools
import re
from pathlib import Path

import pytest
import yaml

from carryover.planning import runs
from carryover.planning.config import recipe_of, resolve
from carryover.planning.schema import load_schema
from carryover.runtime.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config():
    return resolve(
        {
            "study": "small",
            "languages": ["en", "de", "th", "sw"],
            "fetch": {"files": {name: {"path": name, "url": name} for name in ("xnli", "xnli_mt", "pretrain_text")}},
            "tasks": {"nli": {"train_languages": ["en", "de"]}},
            "tokenizers": {"bpe": {"source": "train"}, "other": {"source": "train"}},
            "models": {
                "toy": {"source": "pretrain", "tokenizer": "bpe"},
                "mine": {"source": "directory", "path": "m"},
                "idle": {"source": "pretrain", "tokenizer": "other"},
            },
            "finetune": {
                "model": "toy",
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
    assert [run.name for run in runs.trained_runs(config)] == [
        "toy/nli/full/baseline/en/seed0",
        "toy/nli/full/baseline/en/seed1",
        "toy/nli/full/blind/en/seed3",
        "toy/nli/full/baseline/de/seed0",
        "toy/nli/full/baseline/joint/seed0",
    ]


def test_a_set_is_trained_on_the_languages_that_have_text(config):
    assert runs.trained_runs(config)[-1].languages == ("en", "de")
    assert runs.members(config, "nli", "joint") == ["en", "de", "th"]
    assert runs.members(config, "nli", "sw") == ["sw"]


@pytest.mark.parametrize("train", ["th", "far"])
def test_what_has_no_training_text_at_all_is_not_trained(config, train):
    config["finetune"]["runs"].append({"variant": "baseline", "train": train, "seeds": [0], "model": None, "task": None})
    assert train not in {run.system.train for run in runs.trained_runs(config)}
    assert set(runs.without_training_text(config)) >= set(runs.members(config, "nli", train))


def test_languages_without_text_are_named_once(config):
    assert runs.without_training_text(config) == ["th"]
    config["finetune"]["runs"].append({"variant": "baseline", "train": "far", "seeds": [0], "model": None, "task": None})
    assert runs.without_training_text(config) == ["sw", "th"]


def test_a_run_that_is_asked_for_twice_is_one_run(config):
    config["finetune"]["runs"].append({"variant": "baseline", "train": "en", "seeds": [1, 2], "model": None, "task": None})
    paths = [run.name for run in runs.trained_runs(config)]
    assert len(paths) == len(set(paths))
    assert "toy/nli/full/baseline/en/seed2" in paths


def test_a_variant_brings_its_view(config):
    assert {run.system.variant: run.view for run in runs.trained_runs(config)} == {"baseline": "full", "blind": "hypothesis"}


def test_models_as_they_are_come_last_and_belong_to_no_language(config):
    last = runs.evaluated_runs(config)[-1]
    assert (last.name, last.view, last.languages) == ("mine/none/none/none/none/seed0", "full", ())
    assert runs.evaluated_runs(config)[:-1] == runs.trained_runs(config)


def test_every_model_is_asked_all_languages_and_controls_only_what_they_learned(config):
    everything = ["en", "de", "th", "sw"]
    assert runs.predictions(config) == {
        ("toy/nli/full/baseline/en/seed0", "nli", "full"): everything,
        ("toy/nli/full/baseline/en/seed1", "nli", "full"): everything,
        ("toy/nli/full/blind/en/seed3", "nli", "hypothesis"): ["en"],
        ("toy/nli/full/baseline/de/seed0", "nli", "full"): everything,
        ("toy/nli/full/baseline/joint/seed0", "nli", "full"): everything,
        ("mine/none/none/none/none/seed0", "nli", "full"): everything,
        ("toy/nli/full/baseline/en/seed0", "nli", "shuffled"): ["en"],
        ("toy/nli/full/baseline/en/seed1", "nli", "shuffled"): ["en"],
    }


def test_the_shuffled_control_can_be_left_out(config):
    config["predict"]["shuffled"] = False
    assert {view for *_, view in runs.predictions(config)} == {"full", "hypothesis"}


def test_the_primary_models_are_asked_listed_languages_in_another_script(config):
    config["predict"]["scripts"] = {"latin": ["th", "de"], "cyrillic": ["en"], "greek": []}
    asked = runs.predictions(config)
    for seed in (0, 1):
        run = f"toy/nli/full/baseline/en/seed{seed}"
        assert asked[run, "nli", "latin"] == ["de", "th"] and asked[run, "nli", "cyrillic"] == ["en"]
    assert sum(view in ("latin", "cyrillic", "greek") for *_, view in asked) == 4
    assert {("bpe", "nli", "latin", "th", runs.EVALUATION)} <= set(runs.tokenised(config))


def test_a_task_without_such_views_is_not_asked_in_them(config):
    config["tasks"]["tagging"] = config["tasks"]["nli"]
    config["finetune"]["task"] = "tagging"
    assert {view for *_, view in runs.predictions(config)} == {"full", "hypothesis"}  # nor with premises shuffled: it has none
    config["predict"]["scripts"] = {"latin": ["th"]}
    with pytest.raises(BadInput, match=r"predict\.scripts\.latin: the task tagging has no texts in another script"):
        runs.predictions(config)


def test_the_primary_source_runs_are_those_of_the_named_variant(config):
    assert [run.name for run in runs.primary_source_runs(config)] == [
        "toy/nli/full/baseline/en/seed0",
        "toy/nli/full/baseline/en/seed1",
    ]
    config["finetune"]["primary_variant"] = "blind"
    assert runs.primary_source_runs(config) == []  # it could not be asked the languages that selection reads


def test_models_that_nothing_uses_are_not_made(config):
    assert runs.models_in_use(config) == ["toy", "mine"]
    config["generate"]["models"] = ["idle"]
    assert runs.models_in_use(config) == ["toy", "mine", "idle"]


def test_a_run_may_name_its_own_model_and_task_and_its_variant_names_the_method(config):
    config["finetune"]["variants"]["low_rank"] = {"method": "lora"}
    config["finetune"]["runs"] = [{"variant": "low_rank", "train": "all", "seeds": [2], "model": "mine", "task": None}]
    (run,) = runs.trained_runs(config)
    assert run.name == "mine/nli/lora/low_rank/all/seed2" and run.languages == ("en", "de")


def test_each_model_s_text_is_cut_by_its_own_tokeniser(config):
    assert [runs.tokenizer_of(config, model) for model in ("toy", "mine", "idle")] == ["bpe", "mine", "other"]
    assert runs.tokenizers_in_use(config) == ["bpe", "mine"]
    tokenised = runs.tokenised(config)
    assert ("mine", "nli", "full", "th", ("dev", "test")) in tokenised  # asked as it is
    assert not [place for place in tokenised if place[0] == "mine" and place[-1] == ("train",)]
    assert ("bpe", "nli", "hypothesis", "en", ("train",)) in tokenised


def test_prompts_are_held_against_what_was_pretrained_on_only_where_every_run_starts_here(config):
    assert runs.pretraining_length(config, "bpe") == config["pretrain"]["line_length"]
    config["finetune"]["runs"][0]["model"] = "mine"
    assert runs.pretraining_length(config, "mine") is None


def test_what_a_task_says_of_its_answer_is_read_without_importing_it():
    assert runs.answer_of("nli") == "choice" and runs.answer_files("nli") == []


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
    trained = [(run.system.variant, run.system.train, run.languages) for run in runs.trained_runs(config)]
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
    assert set(config["languages"]) - set(config["tasks"]["nli"]["train_languages"]) == {"el", "bg", "ru", "hi", "th"}


def test_the_pretrained_study_scores_few_models_everywhere_and_its_shown_part_is_a_part():
    whole, part = shipped("pretrained.yaml"), shipped("pretrained.yaml", "../../docs/pretrained/part.yaml")
    everywhere = {name.split("/")[3] for (name, _, view), asked in runs.predictions(whole).items() if len(asked) == 15}
    assert everywhere == {"baseline", "none"}
    assert {run.name for run in runs.trained_runs(part)} < {run.name for run in runs.trained_runs(whole)}
    assert {run.seed for run in runs.trained_runs(whole) if run.system.train == "en"} == {0, 1, 2}
    assert whole["tasks"]["nli"]["evaluation_rows"]["test"] >= 1002 and part["languages"] == whole["languages"]


def test_the_published_study_trains_english_in_every_variant_and_the_report_s_models():
    config = shipped()
    trained = runs.trained_runs(config)
    variants = set(config["finetune"]["variants"])
    assert {run.system.variant for run in trained if run.system.train == "en"} == variants - {"equal_updates"}
    (short,) = [run for run in trained if run.system.variant == "equal_updates"]
    rows, batch = config["tasks"]["nli"]["expected_rows"]["train"], recipe_of(config, "baseline")["batch_size"]
    assert short.system.train == "report"  # has as many updates as a model of one language
    assert recipe_of(config, "equal_updates")["max_updates"] == -(-rows // batch)
    assert {run.system.train for run in trained} == {"en", "es", "fr", "de", "bg", "ar", "el", "hi", "report", "all"}
    assert len(next(run for run in trained if run.system.train == "all").languages) == 15
    assert [run.seed for run in runs.primary_source_runs(config)] == [0, 1, 2]
    assert {run.system.model for run in trained} == {"gpt2"}


def test_the_mini_study_asks_each_trained_language_what_its_hypotheses_alone_give_away():
    trained = runs.trained_runs(shipped("mini.yaml"))
    assert {run.system.train for run in trained if run.view == "hypothesis"} == {"en", "fr", "es"}


def test_a_pattern_matches_its_paths_and_no_other():
    parts = [["gpt2", "toy"], ["full"], ["base", "base.1", "a+b"], ["en", "de", "joint"], ["seed0", "seed1", "seed10"]]
    every = ["/".join(path) for path in itertools.product(*parts)]
    some = [path for place, path in enumerate(every) if place % 7 and place % 5]
    for chosen in (every, some, every[:1], []):
        compiled = re.compile(runs.pattern(chosen))
        assert [path for path in every if compiled.fullmatch(path)] == chosen
        assert not compiled.fullmatch("toy/nli/full/baseX1/en/seed0")


def test_the_pattern_of_a_thousand_runs_is_short_and_always_the_same():
    paths = [
        f"toy/nli/full/v{variant}/{train}/seed{seed}" for variant in range(20) for train in "abcdefghij" for seed in range(5)
    ]
    assert runs.pattern(paths) == runs.pattern(reversed(paths))
    assert len(runs.pattern(paths)) < 300


def test_likelihoods_are_of_models_in_every_language_and_of_runs_in_the_source_language(config):
    assert runs.likelihoods(config) == {}
    config["likelihood"] |= {"models": ["idle"], "variants": ["blind"]}
    untuned, tuned = "none/none/none/none/seed0", "toy/nli/full/blind/en/seed3"
    asked = {f"idle/{untuned}": ["en", "de", "th", "sw"], f"toy/{untuned}": ["en"], tuned: ["en"]}
    assert runs.likelihoods(config) == asked
    assert set(asked) <= {run.name for run in runs.asked_runs(config)}
    assert runs.models_in_use(config) == ["toy", "mine", "idle"]
    assert {run.name for run in runs.evaluated_runs(config)}.isdisjoint({f"idle/{untuned}", f"toy/{untuned}"})


def test_the_text_of_a_task_is_its_first_field():
    assert (runs.text_of("nli"), runs.text_of("tagging")) == ("premise", "words")


def test_a_run_is_asked_the_languages_of_its_entry(config):
    language = config["languages"][1]
    entry = {"variant": "baseline", "train": "en", "model": None, "task": None}
    config["finetune"]["runs"] = [{**entry, "seeds": [0]}, {**entry, "seeds": [7], "asked": [language, "en"]}]
    asked = {name: languages for (name, _, view), languages in runs.predictions(config).items() if view == "full"}
    assert asked[next(name for name in asked if name.endswith("/seed0") and "/en/" in name)] == config["languages"]
    assert asked[next(name for name in asked if name.endswith("/seed7"))] == ["en", language]  # in the order of the config
    assert [run.seed for run in runs.primary_source_runs(config)] == [0]  # selection needs every language
    config["finetune"]["runs"].append({**entry, "seeds": [7], "asked": None})
    assert {run.asked for run in runs.trained_runs(config)} == {None}


def test_a_model_that_brings_its_tokeniser_needs_no_other(config):
    config["models"] |= {
        "packed": {"source": "package", "weights": "gguf", "implementation": "hugging_face"},
        "hubs": {"source": "hub", "repo": "a/b", "revision": "0" * 40, "implementation": "hugging_face"},
    }
    config["predict"]["as_they_are"] = ["packed", "hubs"]
    for name in ("xnli", "xnli_mt"):
        config["fetch"]["files"][name]["path"] = f"{name}.zip"
    assert [runs.tokenizer_of(config, name) for name in ("packed", "hubs")] == ["packed", "hubs"]
    assert "gguf" in runs.files_in_use(config)
    assert [model["repo"] for model in runs.hub_models(config)] == ["a/b"]
