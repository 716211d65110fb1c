"""A model answers any text by its scores and thresholds, alike in any company."""

import copy
import json
import math
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanmu import Explanation, Labelled, LanmuError, Span, TopicModel, load_model
from lanmu.features import Vocabulary
from lanmu.text import decode, normalise

HARD = json.loads((Path(__file__).parents[1] / "cases" / "text.json").read_bytes())["hard"]
NO_FEATURE = "no word or character that the model knows"
ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("供热管网湿地候鸟图书馆a1，。 \n\u3000\u200b\ufeffＡ１\ud83d\ude00\0𠮷"),
    )
)
LONG_TEXT = st.builds(
    lambda unit, times: unit * times,
    st.sampled_from(["供热管网改造", "湿地，", "iPhone 手机壳", "图书馆\n", "🙂", "热"]),
    st.sampled_from([1, 30, 700, 4000, 9000]),
)
METHODS = ["predict", "predict_proba", "label", "decision_function"]


def handmade(**fields):
    """Return a model of two words, heating and wetland, that scores by these numbers alone.

    A text with one of the words has the score 3 (of its topic) or -3 (of the rest).
    """
    given = {
        "labels": ("ecology", "heating", "other"),
        "vocabulary": Vocabulary(("供热", "湿地"), np.empty(0, np.uint64), max_ngram=0),
        "document_frequencies": np.array([1, 1], np.int32),
        "n_texts": 2,
        "coefficients": np.array([[-3, 3], [3, -3], [-3, -3]], np.float32),
        "intercepts": np.zeros(3),
        "thresholds": np.full(3, 0.5),
    }
    return TopicModel(**(given | fields))


def logistic(score):
    return 1 / (1 + math.exp(-score))


def wide_model():
    """Return a model of twelve labels with scattered coefficients."""
    rng = np.random.default_rng(0)
    keys = np.array(sorted(map(ord, "供热管网湿地候鸟图书馆手机壳a")), np.uint64)
    return handmade(
        labels=tuple(f"label{k:02}" for k in range(12)),
        vocabulary=Vocabulary(("供热", "湿地"), keys, max_ngram=1),
        document_frequencies=rng.integers(1, 30, len(keys) + 2).astype(np.int32),
        n_texts=30,
        coefficients=rng.normal(0, 2, (12, len(keys) + 2)).astype(np.float32),
        intercepts=rng.normal(size=12),
        thresholds=rng.random(12),
    )


WIDE_MODEL = wide_model()


def assert_is_an_answer(labelled, model):
    assert labelled.label is None or labelled.label in model.labels
    assert set(labelled.topics) <= set(model.labels) - {"other"}
    if labelled.probability is None:
        assert labelled.reason
        assert (labelled.label, labelled.topics) == ("other", ())
    else:
        assert 0 <= labelled.probability <= 1
        assert labelled.reason is None or not labelled.topics
        assert labelled.label == (labelled.topics or ("other",))[0]


# What it answers


@given(ANY_TEXT)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_text_gets_an_answer(model, text):
    assert_is_an_answer(model.label([text])[0], model)
    assert model.predict([text])[0] in model.labels
    assert model.predict_proba([text]).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("case", HARD, ids=lambda case: case["comment"][:40])
def test_a_hard_text_gets_an_answer(model, case):
    text = case["text"] * case["times"]
    assert_is_an_answer(model.label([text])[0], model)
    why = model.explain(text)
    parts = math.fsum(span.weight for span in why.spans)
    assert why.intercept + parts == pytest.approx(why.score, abs=1e-6)


@given(st.binary())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_bytes_get_an_answer_or_a_typed_error(model, data):
    try:
        text = decode(data).text
    except LanmuError:
        return
    assert_is_an_answer(model.label([text])[0], model)


@pytest.mark.parametrize("unit", ["供热管网改造", "热", "a", "，", "a热1，"])
def test_time_is_linear_in_length(model, growth, unit):
    def label(text):
        model.label([text])

    n = 30_000 // len(unit)
    assert growth(label, unit * n, unit * (4 * n)) <= 12


def test_scores_are_linear_in_the_row():
    model = handmade(intercepts=np.array([0.5, -1, 2]), n_texts=3)
    # of equal idf, two words weigh 1 / sqrt(2) each; heating twice and wetland once weigh as
    # 1 + ln 2 to 1
    twice = (1 + math.log(2)) / math.hypot(1 + math.log(2), 1)
    once = 1 / math.hypot(1 + math.log(2), 1)
    expected = [
        [-3 + 0.5, 3 - 1, -3 + 2],
        [0.5, -1, -6 / math.sqrt(2) + 2],
        [3 * (once - twice) + 0.5, 3 * (twice - once) - 1, -3 * (twice + once) + 2],
    ]
    found = model.decision_function(["供热", "湿地，供热", "供热湿地供热"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_idf_weighs_a_rare_word_more():
    model = handmade(document_frequencies=np.array([1, 4], np.int32), n_texts=4)
    rare, common = 1 + math.log(5 / 2), 1.0
    score = 3 * (common - rare) / math.hypot(common, rare)
    assert model.decision_function(["湿地供热"])[0, 0] == pytest.approx(score, abs=1e-12)


def test_the_weight_of_n_grams_is_against_words():
    keys = np.array(sorted(map(ord, "供热")), np.uint64)
    model = handmade(
        vocabulary=Vocabulary(("供热",), keys, max_ngram=1),
        document_frequencies=np.array([2, 2, 2], np.int32),
        coefficients=np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]], np.float32),
        ngram_weight=2.0,
    )  # all idf are 1, so that the row is (1, 2, 2) / 3
    scores = model.decision_function(["供热"])
    np.testing.assert_allclose(scores, [[1 / 3, 2 / 3, 4 / 3]], rtol=0, atol=1e-12)


def test_probabilities_are_the_logistic_of_the_scores_scaled_to_sum_to_one():
    yes, no = logistic(3), logistic(-3)
    expected = np.array([[no, yes, no]]) / (yes + 2 * no)
    np.testing.assert_allclose(handmade().predict_proba(["供热"]), expected, rtol=1e-12)


@given(st.lists(ANY_TEXT | LONG_TEXT, max_size=5))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_each_row_of_probabilities_sums_to_one(texts):
    probabilities = WIDE_MODEL.predict_proba(texts)
    assert probabilities.shape == (len(texts), 12)
    assert probabilities.dtype == np.float64
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("score", [-1e4, -50, -38, 38, 50, 1e4])
def test_probabilities_sum_to_one_however_far_the_scores_go(score):
    model = handmade(intercepts=np.full(3, float(score)))
    assert model.predict_proba(["供热"]).sum() == pytest.approx(1, abs=1e-12)
    assert model.label(["供热"])[0].probability is not None


def test_the_prediction_is_the_most_probable_label_whatever_the_thresholds():
    model = handmade(thresholds=np.ones(3))
    assert model.predict(["供热", "湿地", "湿地，湿地，供热"]) == ["heating", "ecology", "ecology"]
    assert handmade(intercepts=np.array([0, 0, 9.0])).predict(["供热"]) == ["other"]


@pytest.mark.parametrize(
    ("threshold", "topics"),
    [(0.0, ("heating", "ecology")), (0.5, ("heating", "ecology")), (0.51, ("heating",))],
)
def test_a_threshold_decides_which_topics_apply(threshold, topics):
    # a text of both words, where heating has the score 1 and ecology 0: a probability of 1/2
    model = handmade(intercepts=np.array([0, 1.0, 0]), thresholds=np.array([threshold, 0.5, 0.5]))
    (labelled,) = model.label(["供热湿地"])
    assert (labelled.label, labelled.topics, labelled.reason) == ("heating", topics, None)
    assert labelled.probability == model.predict_proba(["供热湿地"])[0, 1]


def test_a_threshold_is_compared_with_the_label_against_the_rest():
    # both topics are sure of themselves; scaled to sum to one, each has less than 1/2
    model = handmade(intercepts=np.array([3.0, 3.0, 3.0]), thresholds=np.full(3, 0.9))
    (labelled,) = model.label(["供热湿地"])
    assert labelled.topics == ("ecology", "heating")
    assert labelled.probability < 0.5


def test_the_topic_above_its_threshold_is_the_label_even_where_another_is_more_probable():
    thresholds = np.array([0.5, 0.99, 0.5])
    model = handmade(intercepts=np.array([0.5, 1.0, -9]), thresholds=thresholds)
    probability = model.predict_proba(["供热湿地"])[0, 0]
    assert model.label(["供热湿地"]) == [Labelled("ecology", probability, ("ecology",))]
    assert model.predict(["供热湿地"]) == ["heating"]


def test_a_topic_above_its_threshold_comes_before_other():
    model = handmade(intercepts=np.array([0.0, 0.0, 9.0]))
    (labelled,) = model.label(["供热"])
    assert (labelled.label, labelled.topics) == ("heating", ("heating",))
    assert model.predict(["供热"]) == ["other"]


def test_below_all_thresholds_the_label_is_other_and_the_reason_names_the_nearest_topic():
    model = handmade(thresholds=np.array([0.99, 0.99, 0.99]))
    (labelled,) = model.label(["供热"])
    assert (labelled.label, labelled.topics) == ("other", ())
    assert labelled.probability == model.predict_proba(["供热"])[0, 2]
    assert "heating" in labelled.reason


def test_where_other_is_the_most_probable_no_reason_is_needed():
    model = handmade(intercepts=np.array([-9.0, -9.0, 9.0]))
    probability = model.predict_proba(["供热"])[0, 2]
    assert model.label(["供热"]) == [Labelled("other", probability, ())]


def test_without_other_and_below_all_thresholds_there_is_no_label_but_a_reason():
    model = handmade(labels=("ecology", "heating", "welfare"), thresholds=np.full(3, 0.99))
    (labelled,) = model.label(["供热"])
    assert (labelled.label, labelled.topics) == (None, ())
    assert "heating" in labelled.reason


@pytest.mark.parametrize(("labels", "fallback"), [
    (("ecology", "heating", "other"), "other"), (("ecology", "heating", "welfare"), None)
])  # fmt: skip
@pytest.mark.parametrize(("text", "reason"), [
    ("", "no text"), (" \n\u3000", "no text"), ("，。", NO_FEATURE), ("股票 abc", NO_FEATURE),
    ("\ud800", NO_FEATURE),
])  # fmt: skip
def test_a_text_that_says_nothing_gets_no_invented_confidence(labels, fallback, text, reason):
    model = handmade(labels=labels, intercepts=np.array([9.0, 0, 0]))
    assert model.label([text, "供热"])[0] == Labelled(fallback, None, (), reason)
    assert model.predict([text]) == [fallback]
    np.testing.assert_allclose(model.predict_proba([text]), [[1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("labels", [("ecology", "heating", "other"), ("ecology", "heating", "x")])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 0.99])
def test_columns_say_what_the_labels_do(labels, threshold):
    model = handmade(labels=labels, thresholds=np.full(3, threshold))
    texts = ["供热", "湿地", "供热湿地", "", "，。"] * 3
    labelled, columns = model.label(texts), model.label_columns(texts)
    assert columns.label == [answer.label for answer in labelled]
    assert columns.topics == [answer.topics for answer in labelled]
    expected = [np.nan if a.probability is None else a.probability for a in labelled]
    np.testing.assert_array_equal(columns.probability, expected)


def test_no_texts_have_empty_columns(model):
    columns = model.label_columns([])
    assert (columns.label, columns.topics, columns.probability.shape) == ([], [], (0,))


# What it is given


@pytest.mark.parametrize("method", METHODS)
def test_no_texts_get_no_answers(model, method):
    answers = getattr(model, method)([])
    assert len(answers) == 0
    if method in ("predict_proba", "decision_function"):
        assert answers.shape == (0, 3)


@pytest.mark.parametrize("method", METHODS)
def test_texts_can_be_any_iterable(model, method):
    texts = ["供热管网改造", "", "湿地"]
    expected = getattr(model, method)(texts)
    for iterable in (tuple(texts), iter(texts), (text for text in texts), np.array(texts)):
        np.testing.assert_array_equal(getattr(model, method)(iterable), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("texts", ["供热", "", b"GDP"])
def test_one_text_in_place_of_many_is_refused(model, method, texts):
    with pytest.raises(TypeError, match=f"one {type(texts).__name__}"):
        getattr(model, method)(texts)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("item", [None, 3, b"GDP", ["供热"], float("nan")])
def test_what_is_no_text_is_refused_by_its_place(model, method, item):
    with pytest.raises(TypeError, match=rf"texts\[2\].*{type(item).__name__}"):
        getattr(model, method)(["供热", "湿地", item, 5])


@pytest.mark.parametrize("item", [None, 3, b"GDP", ["供热"]])
def test_an_explanation_takes_one_text(model, item):
    with pytest.raises(TypeError, match=type(item).__name__):
        model.explain(item)


# Alone and in company


@given(st.lists(ANY_TEXT | LONG_TEXT, min_size=1, max_size=8), st.randoms(use_true_random=False))
@example(["热", *[""] * 30_000, "供热管网"], random.Random(0))
@example(["供热" * 16_383 + "a", "湿", "地" * 32_767, "湿地", ""], random.Random(0))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_a_text_has_the_same_probabilities_alone_and_in_any_company(model, texts, pick):
    order = list(range(len(texts)))
    pick.shuffle(order)
    places = np.argsort(order)
    distinct = sorted(set(texts))
    for judge in (model, WIDE_MODEL):
        together = judge.predict_proba(texts)
        elsewhere = judge.predict_proba([texts[i] for i in order])[places]
        alone = {text: judge.predict_proba([text]) for text in distinct}
        by_one = np.concatenate([alone[text] for text in texts])
        assert together.tobytes() == elsewhere.tobytes() == by_one.tobytes()


def test_eight_threads_get_the_same_answers(model):
    texts = ["供热管网改造" * k + "湿地a" * (k % 7) for k in range(150)]
    expected = model.predict_proba(texts).tobytes()
    labels = model.label(texts)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(model.predict_proba, texts) for _ in range(16)]
        labelled = [pool.submit(model.label, texts[k::8]) for k in range(8)]
        assert {answer.result().tobytes() for answer in answers} == {expected}
        assert [answer.result() for answer in labelled] == [labels[k::8] for k in range(8)]


@pytest.mark.usefixtures("without_rjieba")
def test_eight_threads_get_the_same_answers_by_jieba(model):
    by_jieba = pickle.loads(pickle.dumps(model))
    texts = ["供热管网改造湿地候鸟图书馆" * k for k in range(30)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(by_jieba.predict_proba, texts) for _ in range(8)]
    expected = model.predict_proba(texts).tobytes()
    assert {answer.result().tobytes() for answer in answers} == {expected}


@pytest.mark.parametrize("protocol", [2, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL])
def test_a_model_survives_pickling(model, protocol):
    texts = ["供热管网改造", "湿地", ""]
    again = pickle.loads(pickle.dumps(model, protocol))
    assert again.predict_proba(texts).tobytes() == model.predict_proba(texts).tobytes()
    assert again.label(texts) == model.label(texts)
    assert again.explain(texts[0]) == model.explain(texts[0])
    assert (again.user_words, again.card) == (model.user_words, model.card)


def test_a_model_survives_copying(model):
    again = copy.deepcopy(model)
    assert (
        again.predict_proba(["供热管网"]).tobytes() == model.predict_proba(["供热管网"]).tobytes()
    )


# What it explains


def check_explanation(why, text):
    """Check that spans lie in order in the text, cover its letters, and sum to the score."""
    assert [text[span.start : span.end] for span in why.spans] == [span.text for span in why.spans]
    assert all(span.start < span.end for span in why.spans)
    assert all(one.end <= other.start for one, other in pairwise(why.spans))
    parts = math.fsum(span.weight for span in why.spans)
    assert why.intercept + parts == pytest.approx(why.score, abs=1e-6)


@given(ANY_TEXT)
@example("供热管网供热，湿地 iPhone 供热管网。热热热热热")
@example("PM2.5浓度iPhone手机")  # letters and Han characters side by side
@settings(derandomize=True, deadline=None, max_examples=300)
def test_an_explanation_sums_to_the_score(model, text):
    scores = model.decision_function([text])[0]
    for label, score, intercept in zip(model.labels, scores, model.intercepts, strict=True):
        why = model.explain(text, label)
        assert (why.label, why.intercept) == (label, intercept)
        assert why.score == pytest.approx(score, abs=1e-9)
        check_explanation(why, text)


def test_an_explanation_without_a_label_is_of_the_most_probable_one(model):
    for text in ("供热管网改造", "湿地飞来候鸟", "图书馆"):
        assert model.explain(text) == model.explain(text, model.predict([text])[0])


def test_an_explanation_names_every_word_and_its_share():
    # two characters of heating, the word and its characters, and a wetland that counts for nothing
    keys = np.array(sorted(map(ord, "供热")), np.uint64)
    model = handmade(
        vocabulary=Vocabulary(("供热",), keys, max_ngram=1),
        document_frequencies=np.array([1, 1, 1], np.int32),
        coefficients=np.array([[0, 0, 0], [4, 2, 1], [0, 0, 0]], np.float32),
        intercepts=np.array([0, 0.25, 0]),
    )
    # in this text the word is once, its first character twice, its second once
    once, twice = 1.0, 1 + math.log(2)
    length = math.sqrt(once**2 + twice**2 + once**2)
    word, first, second = 4 * once / length, 2 * twice / length, 1 * once / length
    why = model.explain("供热，湿地，供", "heating")
    expected = [
        Span(0, 2, "供热", word + first / 2 + second),
        Span(3, 5, "湿地", 0.0),
        Span(6, 7, "供", first / 2),
    ]
    assert [(span.start, span.end, span.text) for span in why.spans] == [
        (span.start, span.end, span.text) for span in expected
    ]
    for span, right in zip(why.spans, expected, strict=True):
        assert span.weight == pytest.approx(right.weight, abs=1e-12)
    assert why.score == pytest.approx(0.25 + word + first + second, abs=1e-12)


def test_an_n_gram_is_parted_among_the_words_that_it_covers():
    heat, station, bigram = ord("热"), ord("站"), ord("热") << 21 | ord("站")
    model = handmade(
        vocabulary=Vocabulary((), np.array(sorted([heat, station, bigram]), np.uint64), 2),
        document_frequencies=np.array([1, 1, 1], np.int32),
        coefficients=np.array([[0] * 3, [0, 0, 3], [0] * 3], np.float32),
    )
    left, right = model.explain("供热站点", "heating").spans  # heating, station: cut between
    assert (left.text, right.text) == ("供热", "站点")
    assert left.weight == right.weight == pytest.approx(1.5 / math.sqrt(3), abs=1e-12)


def test_spans_are_of_the_text_as_it_was_given(model):
    text = "\ufeffＰ\u200bＭ２.５　供\u200b热\u2060管网\u200d，ｉＰｈｏｎｅ\ud800"
    why = model.explain(text)
    assert [span.text for span in why.spans] == [
        "Ｐ\u200bＭ２", "５", "供\u200b热\u2060管网", "ｉＰｈｏｎｅ"
    ]  # fmt: skip
    check_explanation(why, text)


@given(ANY_TEXT)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_spans_cover_each_letter_that_a_feature_can_hold(model, text):
    covered = {at for span in model.explain(text).spans for at in range(span.start, span.end)}
    for at, character in enumerate(text):
        if normalise(character) and normalise(character) in "供热管网湿地候鸟图书馆a1𠮷":
            assert at in covered
        elif character in "，。 \n\u3000\ud83d\0":
            assert at not in covered or (character in "\ud83d\0")


def test_an_empty_text_is_explained_by_the_intercept(model):
    why = model.explain("", "heating")
    assert why == Explanation("heating", why.intercept, why.intercept, ())
    assert why.intercept == model.intercepts[model.labels.index("heating")]


@pytest.mark.parametrize("label", ["sport", "", "Heating"])
def test_an_unknown_label_is_refused_by_name(model, label):
    with pytest.raises(ValueError, match=f"'{label}'.*ecology, heating, other"):
        model.explain("供热", label)


# The one that ships


def test_the_shipped_model_tells_its_topics_apart():
    model = load_model()
    assert set(model.labels) == {"consultation", "ecology", "heating", "other", "welfare"}
    texts = {
        "heating": "今年供热季提前三天点火，换热站已完成注水打压，暖气不热可拨打热线。",
        "ecology": "湿地里飞来一群候鸟，自然保护区的生态环境持续改善。",  # birds in the wetland
        "welfare": "民政局为困难家庭发放低保金，养老院的老人领到了高龄补贴。",  # allowances
    }
    assert model.predict(texts.values()) == list(texts)
    for topic, text in texts.items():
        assert topic in model.label([text])[0].topics
        check_explanation(model.explain(text, topic), text)
