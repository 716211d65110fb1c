"""The shipped model gives text from elsewhere no topic, and no probability without evidence."""

import functools
import json
from pathlib import Path

import pytest

from lanmu import load_model

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "elsewhere.json").read_text(encoding="utf-8")
)
TEXTS = [case["text"] for case in CASES]


@functools.cache
def labelled():
    return load_model().label(TEXTS)


def unknown_to_the_model():
    """Return the answers to texts of which the model explains no word, as it knows none."""
    model = load_model()
    return [
        (text, answer)
        for text, answer in zip(TEXTS, labelled(), strict=True)
        if not any(span.weight for span in model.explain(text).spans)
    ]


def test_there_are_a_hundred_texts_and_each_is_glossed():
    assert len(set(TEXTS)) == len(TEXTS) == 100
    assert all(case["comment"].isascii() and len(case) == 2 for case in CASES)


def test_fewer_than_five_texts_of_a_hundred_are_given_a_topic():
    given = [
        (answer.topics, round(answer.probability, 2), text)
        for text, answer in zip(TEXTS, labelled(), strict=True)
        if answer.topics
    ]
    assert len(given) < 5, given


def test_a_text_without_a_topic_is_other():
    assert all(answer.label == "other" for answer in labelled() if not answer.topics)


def test_text_without_anything_known_gets_no_probability_but_a_reason():
    answers = unknown_to_the_model()
    assert len(answers) >= 4  # Thai, emoji ...
    for text, answer in answers:
        assert answer.probability is None, text
        assert answer.topics == ()
        assert answer.reason == "no word or character that the model knows"


def test_text_with_anything_known_gets_a_probability():
    unknown = {text for text, _ in unknown_to_the_model()}
    for text, answer in zip(TEXTS, labelled(), strict=True):
        if text not in unknown:
            assert 0 < answer.probability <= 1, text


@pytest.mark.parametrize("text", ["😂😂👍🏻🎉❤️", "……！！？？——", "", "\u200b\n"])
def test_a_text_without_a_word_has_the_same_probability_for_every_label(text):
    model = load_model()
    assert set(model.predict_proba([text])[0].tolist()) == {1 / len(model.labels)}
    assert model.predict([text]) == ["other"]
