"""The embedded corpus: builds `data/mini` into archives laid out like the published XNLI ones.

Two parts. The *core* is hand-written, one TSV per language, and goes to dev and test. The *template* part is planned
once, without any language (`plan_groups`), and then rendered in each language, so that row k says the same thing in
all fifteen. The plan makes the hypothesis alone worthless: a premise states two of a frame's three attributes, and over
the groups of a frame each attribute, each value and each polarity is asked about equally often under each label.

Everything random is a rank by SHA-256, and archives are stored uncompressed with fixed times, so that the bytes are the
same on every machine and Python version.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import multiprocessing
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml
from sacremoses import MosesTokenizer

LANGUAGES = ("en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur")
UNSEGMENTED = ("th", "zh")  # written without spaces: sources mark word boundaries by a space, and a real space by `~`
LABELS = ("entailment", "contradiction", "neutral")
SPLIT_GROUPS = {"dev": 9, "test": 9, "train": 117}  # premises per frame and pair of attributes
NEGATIVE_EVERY = 9  # one group in so many asks by a negated hypothesis; the sizes above are multiples, for exact balance
PROCESSES = 2  # that tokenise training text, which is most of the work
CORE_DEV = 32  # core items 1 to 32 go to dev, the rest to test

Sources = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """One premise and its three hypotheses, before any language: frame, stated attributes, slot keys by role."""

    frame: str
    stated: tuple[str, str]
    values: tuple[tuple[str, str], ...]  # (role, slot key) of the premise's roles
    hypotheses: tuple[tuple[str, str, str, bool], ...]  # (label, attribute, slot key, negated)


def load_sources(directory: Path, language: str) -> Sources:
    """The template file of one language: `{"language", "slots", "frames"}`."""
    path = directory / "templates" / f"{language}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_core(directory: Path, language: str) -> list[dict[str, str]]:
    """The hand-written items: one dict per item with `id`, `premise` and a hypothesis under each label's name."""
    with (directory / "core" / f"{language}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _rank(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def plan_groups(frames: dict, slots: dict, split: str) -> list[Group]:
    """The template part of one split, language-neutral.

    `frames` is `frames.yaml`, `slots` any language's word lists (only their keys are used). Premises are ranked by
    hash; the splits take disjoint ranges of that ranking, so none is shared. Raises ValueError where a frame has too
    few combinations.
    """
    start = sum(_sizes_before(split))
    groups = []
    for frame, plan in frames.items():
        roles = {**plan["subject"], **plan["attributes"]}
        for number, stated in enumerate(itertools.combinations(plan["attributes"], 2)):
            (silent,) = set(plan["attributes"]) - set(stated)
            used = [*plan["subject"], *stated]
            pool = sorted(
                itertools.product(*(slots[roles[role]] for role in used)),
                key=lambda values: _rank(frame, *stated, *values),
            )
            chosen = pool[start : start + SPLIT_GROUPS[split]]
            if len(chosen) < SPLIT_GROUPS[split]:
                raise ValueError(f"frame {frame}: {len(pool)} premises about {stated}, too few for {split}")
            for i, values in enumerate(chosen):
                bound = dict(zip(used, values, strict=True))
                cycle, place = divmod(i, NEGATIVE_EVERY)
                negated = place == NEGATIVE_EVERY - 1
                # Over a cycle each attribute is asked about equally often under each label, negated ones over the pairs too.
                true_of = false_of = stated[(cycle + number) % 2]
                if not negated:
                    true_of, false_of = stated[place % 2], stated[(place // 2) % 2]
                others = [key for key in slots[roles[false_of]] if key != bound[false_of]]
                wrong = min(others, key=lambda key: _rank("other", frame, *values, key))
                anything = min(slots[roles[silent]], key=lambda key: _rank("any", frame, *values, key))
                # A negated sentence turns round which value makes it true.
                same, different = (wrong, bound[false_of]) if negated else (bound[true_of], wrong)
                hypotheses = (
                    ("entailment", true_of, same, negated),
                    ("contradiction", false_of, different, negated),
                    ("neutral", silent, anything, negated),
                )
                groups.append(Group(frame, stated, tuple(bound.items()), hypotheses))
    return groups


def _sizes_before(split: str) -> list[int]:
    names = list(SPLIT_GROUPS)
    return [SPLIT_GROUPS[name] for name in names[: names.index(split)]]


_FIELD = re.compile(r"\{(?P<role>\w+)(?:\.(?P<form>\w+))?(?:@(?P<by>\w+))?(?:\?(?P<choices>[^{}]*))?\}")


def fill(template: str, roles: dict[str, str], values: dict[str, str], slots: dict) -> str:
    """Fills the fields of one sentence.

    `{role}` is the text of the role's item, `{role.form}` a named form of it, `{role@other}` the form named by the
    agreement class of another role's item, `{role.form@other}` the form `form_class`, and `{role?m=...|f=...}` the
    alternative for the class of the role's own item. Raises KeyError with the field where a form is missing.
    """

    def item(role: str) -> dict:
        entry = slots[roles[role]][values[role]]
        return entry if isinstance(entry, dict) else {"text": entry}

    def substitute(match: re.Match) -> str:
        role, form, by, choices = match.group("role", "form", "by", "choices")
        try:
            if choices is not None:
                return dict(choice.split("=", 1) for choice in choices.split("|"))[item(role)["agr"]]
            if by is not None:
                form = "_".join(filter(None, (form, item(by)["agr"])))
            return item(role)[form or "text"]
        except KeyError as missing:
            raise KeyError(f"{match.group(0)} in {template!r} for {values.get(role)!r}: no {missing}") from None

    return _FIELD.sub(substitute, template)


def render(group: Group, plan: dict, source: Sources) -> tuple[str, dict[str, str]]:
    """One group in one language: the premise and the hypothesis under each label."""
    roles = {**plan["subject"], **plan["attributes"]}
    slots, frame, language = source["slots"], source["frames"][group.frame], source["language"]
    bound = dict(group.values)
    premise = fill(frame["premise"][" ".join(group.stated)], roles, bound, slots)
    hypotheses = {}
    for label, attribute, key, negated in group.hypotheses:
        template = frame["hypothesis"][attribute][int(negated)]
        hypotheses[label] = capitalise(fill(template, roles, {**bound, attribute: key}, slots), language)
    return capitalise(premise, language), hypotheses


def capitalise(sentence: str, language: str) -> str:
    """The sentence with a capital first letter, where the script has capitals (Turkish dots its capital I)."""
    first = "İ" if language == "tr" and sentence[0] == "i" else sentence[0].upper()
    return first + sentence[1:]


def raw(text: str, language: str) -> str:
    """Dev and test text: as a person writes it, unsegmented where the script is."""
    return text.replace(" ", "").replace("~", " ") if language in UNSEGMENTED else text


@lru_cache
def _tokenizer(language: str) -> MosesTokenizer:
    return MosesTokenizer(lang=language)


@cache  # a premise stands in three rows, and most hypotheses in several
def pretokenised(text: str, language: str) -> str:
    """Training text: Moses-tokenised, as in the published archive; words apart where the script has no spaces."""
    if language == "th":  # already apart, without punctuation; Moses would tear vowel signs and tone marks from their letters
        return " ".join(text.replace("~", " ").split())
    apart = re.sub(r" ?([。，])", r" \1 ", text.replace("~", " "))  # Moses leaves a full-width stop at its word
    return _tokenizer(language).tokenize(apart.strip(), escape=False, return_str=True)


def build(directory: Path) -> dict[str, bytes]:
    """The files of the corpus by name: `XNLI-1.0.zip`, `XNLI-MT-1.0.zip` and `pretrain.txt`."""
    frames = yaml.safe_load((directory / "frames.yaml").read_text(encoding="utf-8"))
    sources = {language: load_sources(directory, language) for language in LANGUAGES}
    groups = {split: plan_groups(frames, sources["en"]["slots"], split) for split in SPLIT_GROUPS}
    sending = _start_tokenising(groups["train"], frames, sources)
    evaluation = {}
    for split in ("dev", "test"):
        rows = [row for language in sorted(LANGUAGES) for row in _eval_rows(directory, split, language, groups, frames, sources)]
        header = ("language", "gold_label", "sentence1", "sentence2", "promptID", "pairID", "genre")
        evaluation[f"XNLI-1.0/xnli.{split}.tsv"] = _tsv([header, *rows])
    pretraining = _pretraining_text(directory, groups["train"], frames, sources["en"])
    texts: dict[str, bytes] = {}
    for connection in sending:
        texts |= connection.recv()
    training = {f"XNLI-MT-1.0/multinli/multinli.train.{language}.tsv": texts[language] for language in LANGUAGES}
    return {"XNLI-1.0.zip": _stored(evaluation), "XNLI-MT-1.0.zip": _stored(training), "pretrain.txt": pretraining}


def _start_tokenising(groups: list[Group], frames: dict, sources: dict[str, Sources]) -> list[Connection]:
    """Starts `PROCESSES` that render and tokenise training text; each sends the texts of its share of the languages, once.

    A process has all that it needs from the start and ends after its share: none is left over where this one is killed.
    """
    context, receiving = multiprocessing.get_context("spawn"), []  # not by a fork: a job has threads
    for start in range(PROCESSES):
        share = {language: sources[language] for language in LANGUAGES[start::PROCESSES]}
        receiver, sender = context.Pipe(duplex=False)
        context.Process(target=_send_training_texts, args=(sender, groups, frames, share), daemon=True).start()
        sender.close()  # here: so that the end of the process is seen
        receiving.append(receiver)
    return receiving


def _send_training_texts(connection: Connection, groups: list[Group], frames: dict, sources: dict[str, Sources]) -> None:
    header = ("premise", "hypo", "label")
    connection.send({language: _tsv([header, *_training_rows(groups, frames, source)]) for language, source in sources.items()})


def _eval_rows(
    directory: Path, split: str, language: str, groups: dict[str, list[Group]], frames: dict, sources: dict[str, Sources]
) -> Iterator[tuple[str, ...]]:
    core = load_core(directory, language)
    chosen = core[:CORE_DEV] if split == "dev" else core[CORE_DEV:]
    pairs = [(item["premise"], {label: item[label] for label in LABELS}, "handwritten") for item in chosen]
    for group in groups[split]:
        premise, hypotheses = render(group, frames[group.frame], sources[language])
        texts = {label: raw(text, language) for label, text in hypotheses.items()}
        pairs.append((raw(premise, language), texts, group.frame))
    first = 1 if split == "dev" else 100_001
    for prompt, (premise, hypotheses, genre) in enumerate(pairs, start=first):
        order = sorted(LABELS, key=lambda label: _rank(split, str(prompt), label))
        for k, label in enumerate(order):
            yield language, label, premise, hypotheses[label], str(prompt), str(3 * (prompt - 1) + k + 1), genre


def _training_rows(groups: list[Group], frames: dict, source: Sources) -> list[tuple[str, ...]]:
    rows = []
    for number, group in enumerate(groups):
        premise, hypotheses = render(group, frames[group.frame], source)
        for label, hypothesis in hypotheses.items():
            published = "contradictory" if label == "contradiction" else label
            texts = (pretokenised(text, source["language"]) for text in (premise, hypothesis))
            rows.append((_rank("train", str(number), label), (*texts, published)))
    return [row for _, row in sorted(rows)]


def _pretraining_text(directory: Path, groups: list[Group], frames: dict, english: Sources) -> bytes:
    """English prose, then lines of training sentences: what the tokeniser and the toy model are given."""
    lines = [
        line.strip()
        for path in sorted((directory / "pretrain").glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    ranked = sorted(groups, key=lambda group: _rank("pretrain", group.frame, *itertools.chain(*group.values)))
    for one, other in zip(ranked[0::2], ranked[1::2], strict=True):
        sentences = []
        for group in (one, other):
            premise, hypotheses = render(group, frames[group.frame], english)
            sentences += [premise, hypotheses["entailment"]]
        lines.append(" ".join(sentences))
    return ("\n".join(sorted(lines, key=lambda line: _rank("line", line))) + "\n").encode()


def _tsv(rows: Iterable[tuple[str, ...]]) -> bytes:
    buffer = io.StringIO()
    for row in rows:
        buffer.write("\t".join(row) + "\n")
    return buffer.getvalue().encode()


def _stored(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            info.create_system = 3  # the same header on every platform
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


if __name__ == "__main__":
    import sys

    for built, content in build(Path(sys.argv[1])).items():
        print(f"{built}: {hashlib.sha256(content).hexdigest()}")
