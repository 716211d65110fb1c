"""Weights are learnt from made pages, judged on pages of other articles."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lanmu.errors import LanmuError
from lanmu_training import read_labeled
from lanmu_training.joins import (
    conditional_logit,
    cross_validated,
    learn_statistics,
    logistic,
    make_lessons,
    read_articles,
)

ROOT = Path(__file__).parents[2]


def test_a_logistic_regression_finds_which_feature_decides():
    rng = np.random.default_rng(0)
    rows = [{"wet": float(a), "noise": float(b)} for a, b in rng.normal(size=(400, 2))]
    weights = logistic(rows, [row["wet"] > 0 for row in rows])
    assert weights["wet"] > 10 * abs(weights["noise"])


def test_a_choice_model_finds_its_weights():
    rng = np.random.default_rng(0)
    choices = []
    for _ in range(3000):
        values = {"a": rng.normal(size=4), "b": rng.normal(size=4)}
        ways = np.append(np.exp(1.5 * values["a"] - 0.5 * values["b"] - 1.0), 1.0)
        taken = int(rng.choice(5, p=ways / ways.sum()))
        choices.append((values, None if taken == 4 else taken))
    weights = conditional_logit(choices, penalty=0.0)
    assert weights["a"] == pytest.approx(1.5, abs=0.15)
    assert weights["b"] == pytest.approx(-0.5, abs=0.15)
    assert weights["bias"] == pytest.approx(-1.0, abs=0.2)


def test_how_paragraphs_begin_is_told_from_how_cut_sentences_go_on():
    data = read_labeled(ROOT / "labeled")
    openings, closings = learn_statistics(data.examples[::4])
    assert openings["^,"] < -2  # no paragraph begins with a comma
    assert openings["^今"] > 0.5  # many begin with today or this year
    assert closings["的"] > 0 > closings["开始"]  # few sentences end so, many do


@pytest.mark.parametrize("line", ["[]", "{", '{"id": "a", "title": null}'])
def test_an_article_that_is_none_is_refused_by_file_and_line(tmp_path, line):
    (tmp_path / "a.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(LanmuError, match=r"a\.jsonl:1: is no article"):
        read_articles(tmp_path)


def test_a_folder_without_articles_is_refused(tmp_path):
    with pytest.raises(LanmuError, match="has no articles"):
        read_articles(tmp_path)


def test_what_is_learnt_of_some_articles_puts_others_together():
    articles = read_articles(ROOT / "articles")
    examples = read_labeled(ROOT / "labeled").examples
    dice = random.Random(0)
    names = sorted({e.article for e in examples if e.article})
    chosen = set(dice.sample(names, len(names) // 10))
    some = [e for e in examples if e.article in chosen]
    lessons = make_lessons(dice.sample(articles, 40), some, n_pages=48)
    assert {lesson.fold for lesson in lessons} == {0, 1, 2, 3}
    figures = cross_validated(lessons)
    assert figures["whole"]["f1"] > 0.6
    assert figures["whole"]["adjusted_rand_index"] > 0.4
    assert figures["uncut"]["pages"] == 24
    assert figures["uncut"]["with_a_false_join"] <= 3
    assert replace(lessons[0], fold=1) != lessons[0]
