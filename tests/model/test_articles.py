"""Fragments of one article come together: by headings, by joins, and by what they share."""

import pytest

from lanmu import load_model
from lanmu.articles import Blocks, find_articles
from lanmu.joins import Scraps, Weights

MODEL, WEIGHTS = load_model(), Weights.shipped()
HEATING = [  # a heading, and a story in two parts
    "东部热网并网",
    "昨夜十一点，东部供热管网最后一道焊口探伤合格，供热集团随即向换热站注水。",
    "供热集团说，东部供热管网覆盖的换热站今天起分批升温，焊口全部复查过一遍。",
]
WETLAND = [
    "白鹭提前半个月到达",
    "湿地公园的护鸟员清晨登记了二十一只白鹭，白鹭在芦苇荡里筑巢。",
    "护鸟员说，芦苇荡的水位比去年高，湿地公园给白鹭留出了浅滩。",
]


def articles_of(texts, links=()):
    return find_articles(Scraps.of(texts, MODEL, WEIGHTS), links, WEIGHTS)


def test_what_stands_under_a_heading_is_its_article():
    assert articles_of(HEATING + WETLAND) == [[0, 1, 2], [3, 4, 5]]


def test_parts_that_were_shuffled_come_together():
    mixed = [HEATING[0], HEATING[1], WETLAND[0], WETLAND[1], HEATING[2], WETLAND[2]]
    assert articles_of(mixed) == [[0, 1, 4], [2, 3, 5]]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_fragment_is_in_one_article(n):
    found = articles_of((HEATING + WETLAND)[:n])
    assert sorted(i for article in found for i in article) == list(range(n))


def test_a_join_puts_two_fragments_in_one_article_in_reading_order():
    texts = ["暖。住户可以拨打热线。", "湿地公园迎来白鹭。", "三天后小区都能正常供"]
    found = articles_of(texts, [(2, 0)])
    assert [2, 0] in [[i for i in article if i != 1] for article in found]


def test_blocks_put_together_keep_their_fragments():
    blocks = Blocks.of(Scraps.of(HEATING + WETLAND, MODEL, WEIGHTS), [])
    assert len(blocks.chains) >= 2
    merged = blocks.merged(0, 1)
    assert len(merged.chains) == len(blocks.chains) - 1
    assert sorted(i for chains in merged.chains for chain in chains for i in chain) == list(
        range(6)
    )
    for values in merged.evidence().values():
        assert values.shape == (len(merged.chains),) * 2
