"""The second users of each seam, through the whole DAG: a Llama of transformers, LoRA, tags of words, other tokenisers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PeftModel
from seams_study import FILES, LANGUAGES, STUDY, overlay, write, write_llama
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from carryover.answers import choice
from study_runner import clone, snakemake
from tools.listing import Listed, read_jobs

pytestmark = pytest.mark.slow
AS_IT_IS = "none/none/none/none/seed0"
LOW_RANK = "nli/lora/low_rank/en/seed0"
TRAINED = [
    *("toy/nli/full/baseline/en", "toy/nli/lora/low_rank/en", "toy/nli/lora/narrow/de", "toy/tagging/full/baseline/en"),
    *("llama/nli/full/baseline/en", "llama/nli/lora/low_rank/en", "llama/tagging/lora/low_rank/en"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, tuple[str, ...]]:
    """A clone in which the study has run to its end, and what Snakemake is told there."""
    project = clone(tmp_path_factory.mktemp("seams") / "carryover")
    told = write(project)
    ran = snakemake(project, *told, "--quiet", "rules")
    assert ran.returncode == 0, ran.stdout[-4000:]
    return project, told


@pytest.fixture(scope="module")
def results(study) -> Path:
    return study[0] / "results/seams"


def answers(results: Path, run: str, task: str = "nli", language: str = "en") -> pd.DataFrame:
    return pd.read_parquet(results / f"predictions/{run}/{task}/full/{language}.test.parquet")


def logp(table: pd.DataFrame) -> np.ndarray:
    return table[["logp_0", "logp_1", "logp_2"]].to_numpy()


def test_every_system_is_in_the_tables_and_on_the_page(results):
    scores = pd.read_csv(results / "transfer/tables/scores.csv", keep_default_na=False, na_values=[""])
    assert {name for name in scores["system"] if "/none/" not in name} == set(TRAINED)
    assert {name.split("/")[0] for name in scores["system"] if name.endswith("none/none/none/none")} == {"toy", "llama", "other"}
    page = (results / "report.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("llama", "low_rank", "tagging", "entity_f1"))


@pytest.mark.parametrize("model", ["toy", "llama", "other"])
def test_tokens_are_those_of_the_models_own_tokeniser(results, model):
    tokenizer = "bpe" if model == "toy" else model
    data = choice.load([results / f"tokens/{tokenizer}/nli/full/de.test.safetensors"])
    rows = pd.read_parquet(results / "corpus/nli/de.test.parquet")
    own = Tokenizer.from_file(str(results / f"pretrained/{model}/tokenizer.json"))
    for place in range(len(rows)):
        prompt = f"Premise: {rows['premise'][place]}\nHypothesis: {rows['hypothesis'][place]}\nLabel:"
        assert own.decode(data.sequence(place).tolist()) == prompt


def test_tokenisers_cut_differently(results):
    cut = {
        name: choice.load([results / f"tokens/{name}/nli/full/en.test.safetensors"]).lengths.sum()
        for name in ("bpe", "llama", "other")
    }
    assert len(set(cut.values())) == 3


@pytest.mark.parametrize("model", ["toy", "llama"])
def test_peft_opens_low_rank_updates_on_the_base_and_answers_alike(results, model):
    """What predictions were made with is what stands in the directory: the base, and beside it the updates that peft reads."""
    base = AutoModelForCausalLM.from_pretrained(results / f"pretrained/{model}", dtype=torch.float32).eval()
    adapted = PeftModel.from_pretrained(base, results / f"models/{model}/{LOW_RANK}").eval()
    stored, untuned = (answers(results, f"{model}/{run}") for run in (LOW_RANK, AS_IT_IS))
    data = choice.load([results / f"tokens/{'bpe' if model == 'toy' else model}/nli/full/en.test.safetensors"])
    with torch.no_grad():
        for place in range(6):
            ids = torch.as_tensor(np.asarray(data.sequence(place), dtype=np.int64))[None]
            candidates = torch.as_tensor(np.asarray(data.candidates, dtype=np.int64))
            said = adapted(ids).logits[0, -1].log_softmax(0)[candidates].numpy()
            np.testing.assert_allclose(said, logp(stored)[place], atol=1e-4)
            with adapted.disable_adapter():
                said = adapted(ids).logits[0, -1].log_softmax(0)[candidates].numpy()
            np.testing.assert_allclose(said, logp(untuned)[place], atol=1e-4)
    assert np.abs(logp(stored) - logp(untuned)).max() > 1e-2
    assert not (results / f"models/{model}/{LOW_RANK}/model.safetensors").exists()


@pytest.mark.parametrize(("model", "folder"), [("llama", "llama"), ("other", "gpt2")])
def test_a_directorys_weights_are_taken_over_as_they_are(study, results, model, folder):
    taken, given = results / f"pretrained/{model}", study[0] / "elsewhere" / folder
    for name in ("model.safetensors", "tokenizer.json"):
        assert (taken / name).read_bytes() == (given / name).read_bytes()
    assert json.loads((results / f"parity/{model}.json").read_text())["passed"]


def bits(results: Path, run: str, language: str = "en") -> pd.DataFrame:
    return pd.read_parquet(results / f"likelihood/{run}/{language}.parquet")


@pytest.mark.parametrize("tuned", [False, True])
def test_likelihoods_are_those_of_a_plain_loop_with_and_without_the_updates(results, tuned):
    """Nats of each premise after an end of text, by transformers and peft on the saved directories, one premise at a time."""
    model = AutoModelForCausalLM.from_pretrained(results / "pretrained/llama", dtype=torch.float32).eval()
    if tuned:
        model = PeftModel.from_pretrained(model, results / f"models/llama/{LOW_RANK}").eval()
    rows = pd.read_parquet(results / "corpus/nli/en.dev.parquet").drop_duplicates("cluster").head(8)
    own = Tokenizer.from_file(str(results / "pretrained/llama/tokenizer.json"))
    found = bits(results, f"llama/{LOW_RANK if tuned else AS_IT_IS}")
    assert found["id"].tolist() == rows["cluster"].tolist()
    for place, text in enumerate(rows["premise"]):
        ids = own.encode(text).ids
        read = torch.tensor([[own.token_to_id("<|endoftext|>"), *ids]])
        with torch.no_grad():
            logp = model(read).logits[0, :-1].log_softmax(dim=1)
        nats = -logp.gather(1, read[0, 1:, None]).sum().item()
        assert found["nats"][place] == pytest.approx(nats, abs=1e-3)
        assert (found["tokens"][place], found["bytes"][place]) == (len(ids), len(text.encode()))


def test_models_are_asked_every_language_and_runs_the_source_language(results):
    """Untuned models of tuned runs too, so that what tuning forgot has its start; a model that is not kept is asked before it
    goes."""
    asked = {
        str(path.relative_to(results / "likelihood").parent): sorted(file.stem for file in path.parent.glob("*.parquet"))
        for path in (results / "likelihood").rglob("provenance.json")
    }
    tuned = {f"{model}/{LOW_RANK}": ["en"] for model in ("toy", "llama")} | {"toy/nli/lora/narrow/de/seed0": ["en"]}
    tuned["llama/tagging/lora/low_rank/en/seed0"] = ["en"]
    assert asked == tuned | {f"llama/{AS_IT_IS}": ["de", "en"], f"toy/{AS_IT_IS}": ["en"]}
    table = pd.read_csv(results / "transfer/tables/likelihood.csv", keep_default_na=False, na_values=[""])
    assert table["difference"].notna().sum() == 2 * len(tuned) and len(table) == 2 * (len(tuned) + 3)
    correlation = pd.read_csv(results / "transfer/tables/correlation.csv", keep_default_na=False, na_values=[""])
    assert set(correlation[correlation["predictor"] == "bits_per_sentence"]["model"]) == {"llama"}


def test_models_that_are_not_kept_go_once_they_have_predicted(results):
    run = "toy/nli/lora/narrow/de/seed0"
    assert sorted(path.name for path in (results / "models" / run).iterdir()) == [
        *("curve.csv", "dev.csv", "provenance.json", "training.json")
    ]
    assert len(answers(results, run)) == 48


@pytest.mark.parametrize("run", ["toy/tagging/full/baseline/en", "llama/tagging/lora/low_rank/en"])
def test_every_word_is_tagged_and_f1_has_its_interval(study, results, run):
    gold = (study[0] / "tests/tagging/test-en.tsv").read_text(encoding="utf-8").split("\n")
    table = answers(results, f"{run}/seed0", "tagging")
    assert table["target"].tolist() == [line.split("\t")[1] for line in gold if line]  # a row a word, in their order
    scores = pd.read_csv(results / "transfer/tables/scores.csv")
    rows = scores[(scores["system"] == run) & (scores["metric"] == "entity_f1") & (scores["split"] == "test")]
    assert set(rows["language"]) == set(LANGUAGES)
    assert ((rows["low"] <= rows["value"]) & (rows["value"] <= rows["high"])).all()


def edited(study: tuple[Path, tuple[str, ...]], module: str) -> list[Listed]:
    """The jobs that would run after an edit of a module of the library."""
    project, told = study
    path = project / "workflow/carryover" / module
    original = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{original}\nNEW = 1\n", encoding="utf-8")
        return read_jobs(snakemake(project, *told, "--dry-run", "--printshellcmds").stdout)
    finally:
        path.write_text(original, encoding="utf-8")


SHOWN = {"transfer_tables", "figures", "report"}


def test_a_finished_study_has_nothing_to_do(study):
    project, told = study
    assert read_jobs(snakemake(project, *told, "--dry-run", "--printshellcmds").stdout) == []


def test_an_edit_of_lora_runs_what_used_it(study):
    jobs = edited(study, "methods/lora.py")
    trained = {job.provenance.split("/models/")[1] for job in jobs if job.rule.startswith("finetune")}
    assert trained == {f"{run}/seed0/provenance.json" for run in TRAINED if "/lora/" in run}
    asked = [job for job in jobs if job.rule.startswith("predict")]
    assert len(asked) == len(trained) and all("/lora/" in job.provenance for job in asked)
    likely = [job for job in jobs if job.rule.startswith("likelihood")]
    assert likely and all("/lora/" in job.provenance for job in likely)
    assert {job.rule for job in jobs if not job.rule.startswith(("finetune", "predict", "likelihood"))} == SHOWN


def test_an_edit_of_tagging_runs_its_own_jobs(study):
    jobs = edited(study, "tasks/tagging.py")
    own = [job for job in jobs if job.rule not in SHOWN | {"plan"}]
    assert own and all("/tagging/" in job.provenance for job in own)
    assert {job.rule.split("_")[0] for job in own} == {"corpus", "tokens", "finetune", "predict", "likelihood"}


def test_a_tokeniser_with_more_entries_than_the_model_is_refused(study):
    project, _ = study
    write_llama(project / "elsewhere/wide", project / FILES["pretrain_text"], vocabulary=700, entries=600)
    models = STUDY["models"] | {"llama": STUDY["models"]["llama"] | {"path": "elsewhere/wide"}}
    told = overlay(project, "wide.yaml", STUDY | {"study": "wide", "models": models})
    ran = snakemake(project, "results/wide/pretrained/llama/config.json", *told, "--quiet", "rules")
    assert ran.returncode == 1 and "a vocabulary of 600, the tokeniser has 700 entries" in ran.stdout
    assert "Traceback" not in ran.stdout and not list((project / "results/wide/pretrained").rglob("*.*"))
