"""A page's broken sentences are joined, its articles come out whole, and no character is lost."""

import csv
import json
import os
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from lanmu import load_model, read_page
from lanmu.text import decode

TESTS = Path(__file__).parents[1]
CASES = json.loads((TESTS / "cases" / "joins.json").read_bytes())
ARTICLES = TESTS.parent / "articles"
EXAMPLE = TESTS.parent / "examples" / "page.txt"
DATA = os.environ.get("LANMU_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="LANMU_DATA names no folder of real pages")
SCRAPS = st.lists(
    st.text("供热公司说：“湿地，。”（一）1上接第版ab\n\u3000\0\U0001f600", max_size=60)
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["comment"][:50])
def test_a_broken_sentence_is_joined_by_the_evidence_there_is(case):
    page = read_page("\n\n".join(case["page"]))
    assert page.joins == [tuple(join) for join in case["joins"]]
    if case["evidence"]:
        (seam,) = page.seams
        weights = {each.name: each.weight for each in seam.evidence}
        assert weights[case["evidence"]] > 0.1
        assert 0.5 < seam.probability < 1
        assert any(
            "".join(case["page"][i] for i in case["joins"][0]) == paragraph.text
            for article in page.articles
            for paragraph in article.paragraphs
        )


def test_a_page_without_a_broken_sentence_keeps_its_paragraphs():
    texts = ["供热站昨夜抢修完毕。", "湿地里飞来一群白鹭！", "社区食堂开张了，来吃饭的老人很多。"]
    page = read_page("\n\n".join(texts))
    assert page.joins == []
    paragraphs = [paragraph for article in page.articles for paragraph in article.paragraphs]
    assert sorted(paragraph.text for paragraph in paragraphs) == sorted(texts)


@pytest.mark.parametrize("in_turns", [False, True], ids=["in order", "paragraphs in turns"])
def test_a_page_of_whole_articles_is_left_as_it_is(in_turns):
    files = sorted(ARTICLES.glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    texts = [[row["title"], *row["paragraphs"]] for row in rows]
    for first in range(0, len(texts), 3):
        own = texts[first : first + 3]
        if in_turns:
            fragments = [text for turn in zip_longest(*own) for text in turn if text is not None]
        else:
            fragments = [text for article in own for text in article]
        page = read_page("\n\n".join(fragments))
        assert page.joins == []
        assert [page.text[f.start : f.end] for f in page.fragments] == fragments
        for article in page.articles:
            assert list(article.fragments) == sorted(article.fragments)


@given(SCRAPS)
@example([])
@example([""])
@example(["，", "。", "”"])
@settings(derandomize=True, deadline=None, max_examples=60)
def test_every_character_is_in_one_fragment_and_every_fragment_in_one_article(scraps):
    text = "\n\n".join(scraps)
    page = read_page(text)
    assert page.text == text
    edges = [0, *(edge for f in page.fragments for edge in (f.start, f.end)), len(text)]
    assert edges == sorted(edges)
    assert not "".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)).strip()
    placed = [i for article in page.articles for i in article.fragments]
    assert sorted(placed) == list(range(len(page.fragments)))
    for article in page.articles:
        inside = [i for paragraph in article.paragraphs for i in paragraph.fragments]
        assert tuple(inside) == article.fragments
    firsts, seconds = zip(*page.joins, strict=True) if page.joins else ((), ())
    assert len(set(firsts)) == len(firsts)
    assert len(set(seconds)) == len(seconds)
    for fragment in page.fragments:
        assert 0 < fragment.begins_broken < 1
        assert 0 < fragment.ends_broken < 1


def test_a_page_without_blank_lines_is_read_line_by_line():
    page = read_page("湿地公园\n湿地里飞来一群白鹭。\n护鸟员登记了种类。\n")
    assert [page.text[f.start : f.end] for f in page.fragments][1] == "湿地里飞来一群白鹭。"
    assert [f.heading for f in page.fragments] == [True, False, False]


def test_a_scrap_is_labelled_as_part_of_its_sentence():
    case = CASES[0]["page"]
    page = read_page("\n\n".join(case))
    alone = load_model().label([case[2]])[0].probability
    assert page.fragments[2].label == page.fragments[0].label == "heating"
    assert page.fragments[2].probability != alone


def test_the_example_comes_out_as_three_articles():
    page = read_page(EXAMPLE.read_text(encoding="utf-8"))
    assert len(page.joins) == 4
    topics = {article.heading: article.topic for article in page.articles}
    assert topics == {
        "政协云川市委员会常务委员会工作报告": "consultation",
        "一度电也要回到屋顶": "ecology",
        "东部热网昨夜并网 六万户今冬用上余热": "heating",
    }


@needs_data
def test_a_real_page_of_three_articles_comes_out_whole():
    (file,) = Path(DATA, "page").glob("*.txt")
    page = read_page(decode(file.read_bytes()).text)
    with Path(DATA, "page", "gold.tsv").open(encoding="utf-8") as lines:
        gold = list(csv.DictReader(lines, delimiter="\t"))
    true = [(i, int(row["continues_at"])) for i, row in enumerate(gold) if row["continues_at"]]
    assert sorted(page.joins) == sorted(true)
    articles = {
        frozenset(i for i, row in enumerate(gold) if row["article"] == name)
        for name in {row["article"] for row in gold}
    }
    assert {frozenset(article.fragments) for article in page.articles} == articles
    bodies = [
        (f, row) for f, row in zip(page.fragments, gold, strict=True) if row["kind"] == "body"
    ]
    assert sum(f.label in row["topics"].split(",") for f, row in bodies) >= 51


@needs_data
def test_made_pages_of_real_articles_are_put_together():
    lines = Path(DATA, "page", "broken-pages.dev.jsonl").read_text("utf-8").splitlines()
    right = found = true = 0
    rand = []
    for row in map(json.loads, lines):
        page = read_page(row["text"])
        joins = {tuple(join) for join in row["joins"]}
        right += len(joins & set(page.joins))
        found += len(page.joins)
        true += len(joins)
        number = {i: k for k, article in enumerate(page.articles) for i in article.fragments}
        rand.append(adjusted_rand_score(row["articles"], [number[i] for i in sorted(number)]))
    assert 2 * right / (found + true) >= 0.88
    assert sum(rand) / len(rand) >= 0.70
