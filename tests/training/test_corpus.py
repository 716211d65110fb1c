"""The labelled paragraphs of this project keep their promises, and the shipped model is theirs."""

import functools
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from lanmu import load_model
from lanmu.text import normalise
from lanmu.topic_model import OTHER
from lanmu_training import check, evaluate, read_labeled

ROOT = Path(__file__).resolve().parents[2]
LABELED = ROOT / "labeled"
MODEL = ROOT / "model" / "lanmu" / "topics.lanmu"
GENRES = {
    "report", "news", "feature", "notice", "policy", "statistics", "interview", "complaint",
    "reply", "headline", "fragment",
}  # fmt: skip
FEWEST, FEWEST_OTHER = 500, 1000
LARGEST_ARTICLE = 0.01  # of the paragraphs of its topic
SHORTEST, LONGEST = 8, 900  # characters
RUN, MOST_WITH_A_RUN = 12, 6

pytestmark = pytest.mark.skipif(
    not any(LABELED.glob("*.jsonl")), reason="labeled/ has no paragraphs yet"
)


@functools.cache
def data():
    return read_labeled(LABELED)


@functools.cache
def found():
    return check(data())


@functools.cache
def topics():
    return sorted(set(data().labels) - {OTHER})


def squeezed(text):
    """Return a text as repeated runs are looked for: one width of punctuation, no blanks."""
    return normalise(text).replace(" ", "")


def wrong(examples):
    """Say where some paragraphs stand, the first ones if they are many."""
    return [f"{example.source}: {example.text:.40}" for example in examples][:10]


def test_nothing_would_spoil_training():
    assert [finding for finding in found().findings if finding.spoils] == []


def test_there_are_enough_paragraphs_of_each_label():
    few = {
        label: n
        for label, n in Counter(data().labels).items()
        if n < (FEWEST_OTHER if label == OTHER else FEWEST)
    }
    assert few == {}
    assert OTHER in data().labels
    assert len(topics()) >= 4


def test_a_paragraph_stands_in_the_file_of_its_label():
    def file(example):
        return Path(example.source.rpartition(":")[0]).stem

    assert wrong(example for example in data() if file(example) != example.label) == []


def test_no_article_is_more_than_a_hundredth_of_its_topic():
    of_label = Counter(data().labels)
    of_article = Counter((example.label, example.article) for example in data() if example.article)
    large = {name: n for name, n in of_article.items() if n > LARGEST_ARTICLE * of_label[name[0]]}
    assert large == {}


def test_lengths_are_those_of_paragraphs():
    assert wrong(e for e in data() if not SHORTEST <= len(e.text) <= LONGEST) == []


def test_genres_are_those_of_the_data_card():
    assert wrong(example for example in data() if example.genre not in GENRES) == []
    assert set(found().genres) == GENRES


def test_further_labels_are_topics_and_not_the_label_again():
    assert wrong(e for e in data() if set(e.also) - set(topics()) or e.label in e.also) == []


def test_each_label_has_both_widths_of_punctuation():
    for label in (*topics(), OTHER):
        texts = [example.text for example in data() if example.label == label]
        wide = sum(bool(re.search("[，：；？！]", text)) for text in texts)
        narrow = sum(bool(re.search(r"[\u4e00-\u9fff][,:;?!]", text)) for text in texts)
        assert min(wide, narrow) >= 0.1 * len(texts), f"{label}: {wide} wide, {narrow} narrow"


def stock_formulas(card):
    """Return the formulas that a data card lists, one in backticks a bullet."""
    _, _, section = card.partition("\n## Stock formulas\n")
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    return re.findall(r"^[-*] +`([^`]+)`", section, flags=re.MULTILINE)


def card():
    return (LABELED / "README.md").read_text(encoding="utf-8")


def test_formulas_are_read_from_their_section_of_the_card_alone():
    # carried out in depth / the reporter learnt
    section = "## Stock formulas\n\nThese:\n\n- `深入贯彻` (9)\n* `记者获悉`\n\n"
    assert stock_formulas(f"# Card\n\n- `a`\n\n{section}## Gaps\n\n- `b`\n") == [
        "深入贯彻",
        "记者获悉",
    ]
    assert stock_formulas("# Card\n\n- `a`\n") == []


def test_a_run_of_twelve_characters_stands_in_more_than_six_paragraphs_only_in_a_stock_formula():
    paragraphs = Counter()
    for text in map(squeezed, data().texts):
        paragraphs.update({text[i : i + RUN] for i in range(len(text) - RUN + 1)})
    allowed = [squeezed(formula) for formula in stock_formulas(card())]
    repeated = {
        run: n
        for run, n in paragraphs.items()
        if n > MOST_WITH_A_RUN and not any(run in formula for formula in allowed)
    }
    assert repeated == {}


def test_every_stock_formula_is_one_that_paragraphs_have():
    texts = "\n".join(map(squeezed, data().texts))
    assert [f for f in stock_formulas(card()) if squeezed(f) not in texts] == []


# the shipped model


STALE = "model/lanmu/topics.lanmu is not what labeled/ makes today; run make model"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def make_model():
    """Return the arguments of the `lanmu train` that `make model` runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"^\t\S*lanmu (train .+)$", makefile, flags=re.MULTILINE)
    return shlex.split(command)


def other_versions():
    """Return the packages that decide a model's bytes and are not of the pinned version."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(pin.split("==") for pin in pins if "==" in pin)
    return {
        name: version(name)
        for name in ("jieba", "numpy", "scikit-learn", "scipy")
        if version(name) != pinned[name]
    }


def test_the_shipped_model_is_what_make_model_makes_of_labeled_today_on_any_threads(tmp_path):
    if others := other_versions():
        pytest.skip(f"the model is made with the versions of constraints.txt, not {others}")
    arguments = make_model()
    at = arguments.index("-o") + 1
    assert (ROOT / arguments[at]).resolve() == MODEL
    arguments[at] = str(tmp_path / "topics.lanmu")
    assert load_model().card["data_sha256"] == data().digest(), STALE
    command = [sys.executable, "-c", "from lanmu.cli import main; main()", *arguments]
    subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, check=True)
    assert (tmp_path / "topics.lanmu").read_bytes() == MODEL.read_bytes(), STALE


def test_the_shipped_model_has_the_labels_of_the_data():
    assert list(load_model().labels) == sorted(set(data().labels))


def test_the_shipped_model_does_well_on_news_that_nobody_here_wrote():
    folder = os.environ.get("LANMU_DATA")
    if not folder:
        pytest.skip("LANMU_DATA names no folder of real text")
    report = evaluate(read_labeled(Path(folder, "dev", "news.jsonl")), load_model())
    of_label = {score.label: score.f1 for score in report.labels}
    assert report.macro_f1 >= 0.82, json.dumps(report.as_json(), indent=1)
    assert of_label["heating"] >= 0.75, json.dumps(report.as_json(), indent=1)
