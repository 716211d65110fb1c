"""A full report holds what its figures say, and says what it can't know by leaving it out."""

import itertools
import json
import random
import re
import sys

import pytest

from lanmu import LanmuError
from lanmu_training import (
    Example,
    LabeledData,
    evaluate,
    full_report,
    train,
    write_report,
)
from lanmu_training.evaluate import NO_LABEL, cross_validated, predicted_by
from lanmu_training.report import SHARES, coverage

WORDS = {
    "heating": ["暖气", "换热站", "锅炉房", "供热管网"],  # radiators, heat station, boilers, pipes
    "ecology": ["湿地", "候鸟", "林场", "河水"],  # wetland, birds, tree farm, river water
    "other": ["球队", "演出", "关税", "航班"],  # a team, a show, customs, flights
}
PLACES = ["天津", "北京", "上海", "武汉", "兰州", "大连"]  # cities
NEWS = ["昨日有了消息", "今年投入资金", "记者前往采访"]  # there is news, money, a reporter goes


def made_data():
    """72 paragraphs, two an article, that share rare characters; every eighth article misleads."""
    rng = random.Random(0)
    made = []
    for i, (place, label, part) in enumerate(itertools.product(PLACES, WORDS, range(2))):
        own = "".join(chr(rng.randrange(0x9000, 0x9F00)) for _ in range(6))
        said = list(WORDS)[(list(WORDS).index(label) + (i % 8 == 3)) % 3]
        for k in range(2):
            words = rng.sample(WORDS[said], 2)
            text = f"{place}{words[0]}{NEWS[(i + k) % 3]}，{own}，{words[1]}{rng.choice(NEWS)}"
            made.append(Example(text, label, f"{place}{label}{part}", source=f"f:{len(made)}"))
    return LabeledData(tuple(made))


DATA = made_data()
SETTINGS = {"max_ngram": 0, "ratio_weight": 0.0}  # not the defaults
FIVE_FOLDS = re.compile(r"\b(five|5) folds")
TRAINED_ON, HELD_OUT = LabeledData(DATA.examples[:48]), LabeledData(DATA.examples[48:])


@pytest.fixture(scope="module")
def report():
    return full_report(DATA, **SETTINGS)


@pytest.fixture(scope="module")
def predictions():
    return cross_validated(DATA, **SETTINGS)


@pytest.fixture(scope="module")
def model():
    return train(TRAINED_ON)


@pytest.fixture(scope="module")
def finished(model):
    return full_report(HELD_OUT, model)


# what it is compared with


def test_the_scores_are_those_of_evaluate(report, finished, predictions, model):
    assert report.scores == predictions.report()
    assert finished.scores == evaluate(HELD_OUT, model)


def test_training_is_compared_with_keywords_and_a_random_split(report):
    assert 1 / 3 < report.keywords < 1
    assert report.random_split == cross_validated(DATA, grouped=False, **SETTINGS).report().macro_f1


def test_a_random_split_promises_more_than_articles_held_out_whole(report):
    assert report.random_split > report.scores.macro_f1


def test_the_learning_curve_is_of_rising_shares_up_to_all_of_the_data(report):
    shares, figures = zip(*report.learning_curve, strict=True)
    assert shares == (*SHARES, 1.0)
    assert list(shares) == sorted(set(shares))
    assert figures[0] == cross_validated(DATA, share=SHARES[0], **SETTINGS).report().macro_f1
    assert figures[0] < figures[-1] == report.scores.macro_f1


def test_of_a_finished_model_there_is_nothing_to_compare(finished):
    assert finished.keywords is None
    assert finished.random_split is None
    assert finished.learning_curve == ()


def test_how_the_paragraphs_were_judged_is_said(report, finished):
    assert "72 paragraphs" in report.how
    assert FIVE_FOLDS.search(report.how)
    assert "24 paragraphs" in finished.how
    assert "finished" in finished.how


SMALL = LabeledData(
    tuple(
        Example(text, label, source=f"f:{i}")
        for i, (text, label) in enumerate(
            [
                *[(f"{word}昨夜停运", "heating") for word in WORDS["heating"]],
                *[(f"今春走进{word}", "ecology") for word in WORDS["ecology"]],
            ]
        )
    )
)


@pytest.fixture(scope="module")
def small():
    return full_report(SMALL)


def test_eight_paragraphs_are_enough_for_a_report(small):
    assert small.scores == evaluate(SMALL)
    assert small.learning_curve[-1] == (1.0, small.scores.macro_f1)


def test_no_more_folds_are_told_of_than_there_were(small):
    assert len(cross_validated(SMALL).models) == 4
    assert not FIVE_FOLDS.search(small.how)


# coverage


def test_coverage_falls_where_more_probability_is_asked(report, finished):
    for points in (report.coverage, finished.coverage):
        assert len(points) > 10
        for point, surer in itertools.pairwise(points):
            assert point.probability < surer.probability
            assert point.coverage >= surer.coverage
        assert points[0].coverage == 1
        assert all(0 <= point.precision <= 1 for point in points)


def test_coverage_counts_topics_alone_and_precision_every_answer(model):
    predictions = predicted_by(model, HELD_OUT)
    topics = [k for k, label in enumerate(model.labels) if label != "other"]
    for point in coverage(predictions)[::7]:
        answered, right, of_topic = 0, 0, 0
        for truth, row in zip(HELD_OUT.labels, predictions.probabilities, strict=True):
            best = max(topics, key=lambda k: row[k])
            if row[best] >= point.probability:
                answered += 1
                right += model.labels[best] == truth
                of_topic += truth != "other"
        assert point.precision == pytest.approx(right / answered)
        assert point.coverage == pytest.approx(of_topic / 16)  # of the 24 paragraphs


def test_a_text_without_evidence_is_never_covered_nor_of_any_probability(model):
    unknown = Example("xyz", "heating", source="f:99")
    report = full_report(LabeledData((HELD_OUT.examples[0], unknown)), model)
    assert max(point.coverage for point in report.coverage) == 0.5
    (mistake,) = [mistake for mistake in report.mistakes if mistake.source == "f:99"]
    assert mistake.predicted == "other"
    assert not mistake.probability
    assert not any(weight for _, weight in mistake.words)


# mistakes


def test_mistakes_are_the_wrong_answers_the_surest_first(report, predictions):
    wrong = {
        example.source: (example.label, predicted, max(row))
        for example, predicted, row in zip(
            DATA, predictions.predicted, predictions.probabilities, strict=True
        )
        if predicted != example.label
    }
    assert 0 < len(wrong) <= 20  # at most so many are told
    told = {m.source: (m.truth, m.predicted, m.probability) for m in report.mistakes}
    assert told == wrong
    sure = [mistake.probability for mistake in report.mistakes]
    assert sure == sorted(sure, reverse=True)


def test_of_many_mistakes_the_surest_twenty_are_told(model):
    turned = {"heating": "ecology", "ecology": "other", "other": "heating"}
    data = LabeledData(
        tuple(Example(e.text, turned[e.label], e.article, source=e.source) for e in TRAINED_ON)
    )
    told = full_report(data, model).mistakes
    assert len(told) == 20
    sure = sorted(model.predict_proba(data.texts).max(axis=1), reverse=True)
    assert [mistake.probability for mistake in told] == pytest.approx(sure[:20])


def test_a_mistake_has_the_words_of_its_text_that_weighed_most_for_it(finished, model):
    assert finished.mistakes
    for mistake in finished.mistakes:
        assert mistake.text in HELD_OUT.texts
        weights = {}
        for span in model.explain(mistake.text, mistake.predicted).spans:
            weights.setdefault(span.text, []).append(round(span.weight, 2))
        shown = [weight for _, weight in mistake.words]
        assert 0 < len(shown) <= 6
        assert shown == sorted(shown, reverse=True)
        assert shown[0] == max(itertools.chain.from_iterable(weights.values()))
        for word, weight in mistake.words:
            assert word in mistake.text
            assert weight in weights[word]


def test_no_word_that_spoke_against_the_wrong_answer_is_shown_as_deciding(report, finished):
    for mistake in (*report.mistakes, *finished.mistakes):
        assert all(weight > 0 for _, weight in mistake.words)


def test_a_mistake_without_an_answer_can_be_told():
    topics_alone = train(LabeledData(tuple(e for e in DATA if e.label != "other")))
    unknown = Example("xyz", "heating", source="f:99")
    (mistake,) = full_report(LabeledData((unknown,)), topics_alone).mistakes
    assert mistake.predicted == NO_LABEL


def test_without_a_mistake_none_is_told(model):
    right = [e for e in TRAINED_ON if model.predict([e.text]) == [e.label]]
    assert full_report(LabeledData(tuple(right)), model).mistakes == ()


# as files


def test_a_report_goes_to_json_and_back(report, finished):
    for told in (report, finished):
        kept = json.loads(json.dumps(told.as_json(), allow_nan=False))
        assert kept["how"] == told.how
        assert kept["keywords"] == told.keywords
        assert kept["random_split"] == told.random_split
        assert kept["calibration_error"] == told.calibration_error
        assert kept["learning_curve"] == [list(point) for point in told.learning_curve]
        assert kept["scores"]["labels"] == told.scores.as_json()["labels"]
        assert kept["scores"]["answers"] == list(told.scores.answers)
        assert kept["scores"]["confusion"] == [list(row) for row in told.scores.confusion]
        assert len(kept["reliability"]) == len(told.reliability)
        assert kept["reliability"][0]["answers"] == told.reliability[0].answers
        assert [p["coverage"] for p in kept["coverage"]] == [p.coverage for p in told.coverage]
        assert len(kept["mistakes"]) == len(told.mistakes) > 0
        for mistake, as_told in zip(kept["mistakes"], told.mistakes, strict=True):
            assert mistake["text"] == as_told.text
            assert mistake["words"] == [list(word) for word in as_told.words]


def test_a_report_is_written_to_a_folder_that_is_made(finished, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "reports" / "first"
    write_report(finished, folder)
    assert sorted(file.name for file in folder.iterdir()) == ["report.html", "report.json"]
    kept = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(finished.as_json()))
    before = (folder / "report.html").read_bytes()
    write_report(finished, folder)  # again, over the first
    assert (folder / "report.html").read_bytes() == before


@pytest.fixture
def without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "lanmu_training.report_page", raising=False)


@pytest.mark.usefixtures("without_matplotlib")
def test_without_matplotlib_what_to_install_is_said_and_nothing_written(finished, tmp_path):
    with pytest.raises(LanmuError, match=r"matplotlib.*pip install 'lanmu\[report\]'"):
        write_report(finished, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# the command


@pytest.fixture
def files(model, tmp_path):
    """Write the held-out paragraphs and the model, and return both files."""
    rows = [{"text": e.text, "label": e.label, "article": e.article} for e in HELD_OUT]
    data, saved = tmp_path / "test.jsonl", tmp_path / "mine.lanmu"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    model.save(saved)
    return data, saved


def test_the_command_writes_a_report_and_says_where(run, files, finished, tmp_path):
    pytest.importorskip("matplotlib")
    data, model = files
    status, out, err = run("evaluate", data, "--model", model, "--report", tmp_path / "out")
    assert (status, err) == (0, "")
    assert f"macro-F1 {finished.scores.macro_f1:.3f}" in out
    assert str(tmp_path / "out" / "report.html") in out
    kept = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert kept["scores"]["labels"] == finished.scores.as_json()["labels"]
    assert kept["keywords"] is None
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_command_prints_the_scores_as_jsonl_alone(run, files, tmp_path):
    pytest.importorskip("matplotlib")
    data, model = files
    arguments = ("--model", model, "--report", tmp_path / "out", "--format", "jsonl")
    _, out, _ = run("evaluate", data, *arguments)
    assert [json.loads(line)["label"] for line in out.splitlines()] == sorted(WORDS)


@pytest.mark.usefixtures("without_matplotlib")
def test_the_command_says_what_to_install_in_one_line(run, files, tmp_path):
    data, model = files
    status, out, err = run("evaluate", data, "--model", model, "--report", tmp_path / "out")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "pip install 'lanmu[report]'" in err
    assert not (tmp_path / "out").exists()
