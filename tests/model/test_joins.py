"""Broken ends and broken beginnings are put together one to one, by weights that were learnt."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from lanmu import load_model
from lanmu.joins import (
    Scraps,
    Weights,
    agreement,
    contexts,
    cosines,
    find_joins,
    log_odds,
    probability,
)

MODEL, WEIGHTS = load_model(), Weights.shipped()
TEXTS = [  # of heating and of wetlands, each cut once
    "城东供热站昨天完成注水打压，今天夜里开始分批升温，预计三天以后全部小区都能正常供",
    "湿地公园今年迎来的第一批白鹭提前半个月到达，护鸟员每天清晨沿着堤坝巡",
    "查，记录下的种类已经超过去年同期，白鹭的巢还在增加。",
    "暖。没有收到短信的住户可以拨打供热服务热线，值班员会登记楼号。",
]


@pytest.fixture(scope="module")
def scraps():
    return Scraps.of(TEXTS, MODEL, WEIGHTS)


def test_each_end_goes_on_at_one_beginning_at_most(scraps):
    joins = find_joins(scraps, MODEL, WEIGHTS)
    assert {(join.first, join.second) for join in joins} == {(0, 3), (1, 2)}


def test_a_join_has_its_probability_and_its_evidence_strongest_first(scraps):
    for join in find_joins(scraps, MODEL, WEIGHTS):
        weights = [abs(each.weight) for each in join.evidence]
        assert weights == sorted(weights, reverse=True)
        assert 0.5 < join.probability <= 1
        for each in join.evidence:
            assert each.weight == pytest.approx(WEIGHTS.joins[each.name] * each.value)


def test_weights_that_speak_against_every_join_make_none(scraps):
    against = replace(WEIGHTS, joins={**WEIGHTS.joins, "bias": -1000.0})
    assert find_joins(scraps, MODEL, against) == []


def test_whole_fragments_have_no_joins():
    whole = Scraps.of(["湿地里飞来一群白鹭。", "供热站抢修完毕。"], MODEL, WEIGHTS)
    assert find_joins(whole, MODEL, WEIGHTS) == []


def test_ends_and_beginnings_are_judged(scraps):
    assert (scraps.ends[:2] > 0.8).all()
    assert (scraps.ends[2:] < 0.1).all()
    assert scraps.beginnings[2:].min() > scraps.beginnings[:2].max()


def test_contexts_follow_links_and_the_page(scraps):
    before, after = contexts(scraps, [(0, 3), (1, 2)])
    assert before[3] == [3, 0]
    assert after[0] == [0, 3]
    circle = contexts(scraps, [(0, 1), (1, 0)])[1]
    assert sorted(circle[0]) == [0, 1]


def test_log_odds_are_the_weighed_sum_of_the_features_that_have_a_weight():
    assert log_odds({"bias": 1.0, "a": 2.0}, {"a": 3.0, "b": 5.0}) == 7.0


def test_a_probability_is_never_quite_0_or_1():
    found = probability(np.array([-1e9, 0.0, 1e9]))
    assert found.tolist() == [1e-4, 0.5, 1 - 1e-4]


def test_cosines_of_rows_are_those_of_their_directions():
    rows = sparse.csr_array(np.array([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]]))
    found = cosines(rows, rows)
    np.testing.assert_allclose(found[0, :2], [1.0, 0.8])
    assert (found[2] == 0).all()


def test_alike_topics_agree_and_others_do_not():
    alike, other = agreement(np.array([[0.9, 0.1]]), np.array([[0.9, 0.1], [0.1, 0.9]]))[0]
    assert alike > other


def test_the_shipped_weights_say_how_they_were_made():
    assert WEIGHTS.about["pages"] > 100
    assert WEIGHTS.about["cross_validated"]["whole"]["f1"] > 0.7
