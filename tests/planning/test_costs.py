"""What a study is estimated to cost: the operations of known models, and the jobs of the shipped studies."""

from pathlib import Path

import pandas as pd
import pytest

from carryover.planning import costs, runs
from carryover.planning.facts import facts_of
from carryover.planning.paths import job_of_predictions, job_of_run
from carryover.planning.workload import workload
from carryover.runtime.errors import BadInput
from tools.blast import STUDIES, config_of
from tools.listing import ROOT

GPT2 = facts_of({"model_type": "gpt2"})
RATES = pd.read_csv(ROOT / "data/throughput.csv")
TEXT = {"lines": 1000, "text_bytes": 200_000}
PRIOR = costs.Sizes({"en": 50.0, "de": 80.0}, {}, **TEXT)


def estimated(name: str, machine: str = "cpu2", sizes: costs.Sizes = PRIOR) -> tuple[dict, pd.DataFrame]:
    work = workload(config_of(ROOT, STUDIES[name]))
    facts = costs.facts_by_model(work["models"], {}, {"gpt2": 50_257} | work["vocabularies"])
    rows = costs.estimate(work, facts, sizes, costs.pace(RATES, machine))
    return work, pd.DataFrame(rows, columns=costs.COLUMNS).set_index("job")


def test_gpt2_has_as_many_parameters_as_published():
    assert GPT2.parameters == 124_439_808


def test_operations_are_those_counted_by_hand():
    """About 25 GFLOP to train one example of 53 tokens, about 9 to score one of 57, about 5 with shared premises."""
    assert 3 * GPT2.forward_flops(53, 53, 1) / 1e9 == pytest.approx(25, abs=1)
    assert GPT2.forward_flops(57, 57, 1) / 1e9 == pytest.approx(9, abs=0.3)
    assert GPT2.forward_flops(57 * costs.SHARED, 57, 1) / 1e9 == pytest.approx(5, abs=0.3)
    products = 12 * (4 * 768**2 + 2 * 768 * 3072)  # every weight of the blocks once
    whole = GPT2.forward_flops(1, 1, 0, every_token=True)
    assert whole == 2 * products + 12 * 4 * 768 + 2 * 768 * 50_257


@pytest.mark.parametrize("name", STUDIES)
def test_every_model_prediction_and_table_of_a_study_is_planned_once(name):
    config = config_of(ROOT, STUDIES[name])
    _, table = estimated(name)
    assert table.index.is_unique
    expected = {job_of_run(run.name) for run in runs.trained_runs(config)}
    expected |= {job_of_predictions(*place) for place in runs.predictions(config)}
    expected |= {f"corpus/nli/{language}.evaluation" for language in config["languages"]} | {
        "transfer/tables",
        "figures",
        "select",
    }
    assert expected <= set(table.index)
    trained = table[table.index.str.startswith("models/")]
    assert (trained[["examples", "tokens", "updates", "flops", "estimated_seconds"]] > 0).all(axis=None)
    assert (table["stage"] == [name.split("/")[0] for name in table.index]).all()


def test_examples_and_updates_follow_the_recipe():
    _, table = estimated("mini")
    english, once = table.loc["models/toy/nli/full/baseline/en/seed0"], table.loc["models/toy/nli/full/one_epoch/en/seed0"]
    assert english["examples"] == 4 * 5500 and english["updates"] == 4 * 344
    assert (once["examples"], once["updates"]) == (5500, 344)
    _, published = estimated("published")
    capped = published.loc["models/gpt2/nli/full/equal_updates/report/seed0"]
    assert capped["updates"] == 98_176 and capped["examples"] == 4 * 98_176


def test_likelihood_costs_every_token_of_the_sentences_that_are_read():
    facts = {"gpt2": GPT2}
    job = {"job": "likelihood/x", "work": "likelihood", "model": "gpt2", "task": "nli", "languages": ["en", "sw"], "rows": 100}
    work = {"jobs": [job], "models": {"gpt2": {"tokenizer": "gpt2"}}, "rows": {"nli": {"dev": None}}}
    sizes = costs.Sizes({"en": 60.0, "sw": 100.0}, {("nli", "en", "dev"): 240}, 0, 0)
    (row,) = costs.estimate(work, facts, sizes, costs.pace(RATES, "cpu2"))
    assert (row["examples"], row["tokens"]) == (180, 80 * 30 + 100 * 50)
    parts = [GPT2.forward_flops(80 * 30, 30, 0, every_token=True), GPT2.forward_flops(100 * 50, 50, 0, every_token=True)]
    assert row["flops"] == round(sum(parts)) and row["estimated_seconds"] > 0


def test_counted_tokens_take_the_place_of_assumed_ones():
    splits = {"train": {"rows": 10, "mean_tokens": 7.0}}
    counted = {"tokens/bpe/nli/full/en.training": {"view": "full", "language": "en", "splits": splits}}
    _, table = estimated("mini", sizes=costs.Sizes({**PRIOR.tokens, **costs.counted_sizes(counted, **TEXT).tokens}, {}, **TEXT))
    assert table.loc["models/toy/nli/full/one_epoch/en/seed0", "tokens"] == 5500 * 7
    sizes = costs.counted_sizes(counted, **TEXT)
    assert sizes.rows == {("nli", "en", "train"): 10} and sizes.prompt("bpe", "nli", "full", "en", "train") == 7.0


def test_a_model_from_elsewhere_has_the_shape_of_its_files():
    small = {"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "n_inner": 16, "n_positions": 32}
    stated = {name: {"tokenizer": "bpe", "config": None} for name in ("mine", "unseen")}
    stated["toy"] = {"tokenizer": "bpe", "config": small}
    found = {"mine": {"model_type": "gpt2", "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128, "vocab_size": 99}}
    made = costs.facts_by_model(stated, found, {"bpe": 500})
    assert (made["mine"].width, made["mine"].feed_forward, made["mine"].vocabulary) == (64, 256, 99)
    assert made["toy"].vocabulary == 500 and made["unseen"].width == 768


def test_a_machine_that_nobody_measured_is_refused():
    with pytest.raises(BadInput, match=r"plan\.machine: no rates of abacus .*known: cpu2, h200, t4"):
        costs.pace(RATES, "abacus")


def test_each_machine_has_all_rates_and_a_faster_one_needs_less():
    hours = {}
    for machine in ("cpu2", "t4", "h200"):
        _, table = estimated("published", machine)
        hours[machine] = table["estimated_seconds"].sum() / 3600
    assert hours["cpu2"] > hours["t4"] > hours["h200"] > 0


def test_a_model_of_124_million_takes_half_a_gigabyte():
    work, table = estimated("published")
    needed = costs.disk(work, table.reset_index().to_dict("records"), {"gpt2": GPT2, "toy": GPT2})
    assert needed["pretrained"] == 2 * 4 * GPT2.parameters
    whole = [job for job in table.index if job.startswith("models/") and "/full/" in job]
    assert needed["models"] == 4 * GPT2.parameters * len(whole)


def test_low_rank_updates_need_no_gradients_of_the_model_and_micro_batches_more_launches():
    """An update of 32 examples, 8 at a time: four passes, and next to nothing for AdamW to move."""
    _, table = estimated("published", "h200")
    lora = table.loc["models/gpt2/nli/lora/lora/en/seed0"]
    assert lora["updates"] == -(-392_702 // 32) and lora["examples"] == 392_702
    full = table.loc["models/gpt2/nli/full/strong/en/seed0"]  # as many updates, dev scored as often
    passes = 3 * GPT2.forward_flops(392_702 * 50.0, 50.0, 392_702)
    assert full["flops"] - lora["flops"] == pytest.approx(passes / 3)
    rates = costs.pace(RATES, "h200")
    apart = full["estimated_seconds"] - lora["estimated_seconds"] - passes / 3 / rates["flops_bf16"]
    launches, moved = 3 * rates["seconds_update"], GPT2.parameters * rates["seconds_parameter"]
    assert apart == pytest.approx(lora["updates"] * (moved - launches), abs=0.02)


def test_every_rate_says_where_it_comes_from():
    assert RATES["source"].str.match(r"measured|assumed|computed|this card").all()
    assert not RATES.duplicated(["machine", "quantity"]).any()
    assert Path(ROOT / "data/prompt_tokens.csv").exists()


def test_a_wide_model_is_planned_at_the_rate_that_was_measured_on_wide_ones():
    rates = costs.pace(RATES, "cpu2")
    job = {"job": "predictions/x", "work": "predict", "model": "m", "task": "nli", "view": "full", "languages": ["en"]}
    work = {"jobs": [job], "models": {"m": {"tokenizer": "gpt2"}}, "rows": {"nli": {"dev": 30, "test": 60}}}
    narrow = facts_of({"model_type": "gpt2", "n_embd": 128, "n_layer": 2, "n_head": 4})
    for facts, rate in ((GPT2, "flops_wide_fp32"), (narrow, "flops_fp32")):
        (row,) = costs.estimate(work, {"m": facts}, PRIOR, rates)
        assert row["estimated_seconds"] == pytest.approx(row["flops"] / rates[rate], abs=0.01)
