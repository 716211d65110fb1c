"""Tables fit and are aligned, JSONL and CSV give back what went in, explanations add up."""

import csv
import io
import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu.joins import Evidence, Join
from lanmu.output import FORMATS, article_records, explained, labelled_record, written
from lanmu.page import Article, Fragment, Page, Paragraph
from lanmu.topic_model import Explanation, Labelled, Span

ESCAPES = re.compile("\x1b\\[[0-9;]*m")
TEXTS = st.text("供热 ab，。\n\t\"',…é", max_size=30)
FIELDS = ("paragraph", "topic", "score", "text")
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(["供热", "ecology", "ｗｉｄｅ", "-", "社会保障"]),
        st.none() | st.floats(0, 1),
        TEXTS,
    ).map(lambda values: dict(zip(FIELDS, values, strict=True))),
    min_size=1,
    max_size=5,
)


def columns(text):
    """Count the columns of a terminal: two for each wide or full-width character."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def test_a_record_has_its_fields_in_order():
    labelled = Labelled("heating", 0.876543, ("heating", "welfare"))
    assert list(labelled_record(3, "供热", labelled).items()) == [
        ("paragraph", 3),
        ("text", "供热"),
        ("label", "heating"),
        ("probability", 0.8765),
        ("topics", ["heating", "welfare"]),
        ("reason", None),
    ]
    assert labelled_record(0, "", Labelled(None, None, (), "no text"))["probability"] is None


HEADING, SENTENCE = "东部热网昨夜并网", "暖气片都热了。"  # a network is joined; radiators are warm
WARM = Labelled("heating", 0.987654, ("heating",))
PAGE = Page(  # the heading, the sentence in two pieces, and a scrap of another article between
    text="东部热网昨夜并网\n暖气\n得见。\n片都热了。",
    fragments=(
        Fragment(0, 8, True, 0.0, 0.0, "heating", 0.9),
        Fragment(9, 11, False, 0.0, 0.9, "heating", 0.987654),
        Fragment(12, 15, False, 0.9, 0.0, None, None),
        Fragment(16, 21, False, 0.9, 0.0, "heating", 0.987654),
    ),
    seams=(Join(1, 3, 0.912345, (Evidence("word_across", 1.0, 2.5),)),),
    articles=(
        Article(
            (0, 1, 3),
            HEADING,
            f"{HEADING}\n{SENTENCE}",
            "heating",
            ("heating",),
            (
                Paragraph((0,), HEADING, True, Labelled("heating", 0.9, ("heating",))),
                Paragraph((1, 3), SENTENCE, False, WARM),
            ),
        ),
        Article(
            (2,), None, "得见。", None, (),
            (Paragraph((2,), "得见。", False, Labelled(None, None, (), "no word")),),
        ),
    ),
)  # fmt: skip


def test_an_article_as_jsonl_has_its_fragments_joins_and_paragraphs():
    whole, scrap = article_records(2, PAGE, "jsonl")
    assert whole == {
        "page": 2,
        "article": 0,
        "topic": "heating",
        "topics": ["heating"],
        "heading": HEADING,
        "text": f"{HEADING}\n{SENTENCE}",
        "fragments": [
            {"fragment": 0, "start": 0, "end": 8, "begins_broken": 0.0, "ends_broken": 0.0},
            {"fragment": 1, "start": 9, "end": 11, "begins_broken": 0.0, "ends_broken": 0.9},
            {"fragment": 3, "start": 16, "end": 21, "begins_broken": 0.9, "ends_broken": 0.0},
        ],
        "joins": [
            {"first": 1, "second": 3, "probability": 0.9123, "evidence": {"word_across": 2.5}}
        ],
        "paragraphs": [
            {
                **labelled_record(0, HEADING, PAGE.articles[0].paragraphs[0].label),
                "heading": True,
                "fragments": [0],
            },
            {**labelled_record(1, SENTENCE, WARM), "heading": False, "fragments": [1, 3]},
        ],
    }
    assert (scrap["article"], scrap["topic"], scrap["heading"], scrap["joins"]) == (
        1, None, None, [],
    )  # fmt: skip
    assert scrap["paragraphs"][0]["reason"] == "no word"


def test_an_article_as_csv_is_a_flat_record_with_its_whole_text():
    assert written(article_records(1, PAGE, "csv"), "csv") == (
        "page,article,topic,paragraphs,heading,text\n"
        f"1,0,heating,2,{HEADING},{SENTENCE}\n"
        "1,1,,1,,得见。\n"
    )


def test_an_article_in_a_table_has_a_dash_for_no_topic_and_a_heading_that_leaves_room():
    long = replace(PAGE.articles[0], heading=HEADING * 5)
    table = written(article_records(1, replace(PAGE, articles=(long,)), "table"), "table", 100)
    assert f"  {(HEADING * 2)[:15]}…" in table
    assert table.endswith(f"  {SENTENCE}\n")
    _, scrap = article_records(1, PAGE, "table")
    assert (scrap["topic"], scrap["heading"], scrap["text"]) == ("-", "", "得见。")


@pytest.mark.parametrize("form", FORMATS)
def test_no_records_are_nothing(form):
    assert written([], form) == ""


@settings(derandomize=True, deadline=None, max_examples=100)
@given(RECORDS)
def test_jsonl_is_an_object_a_line_in_plain_chinese(records):
    lines = written(records, "jsonl").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == records
    assert "\\u4f9b" not in "".join(lines)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(RECORDS)
def test_csv_gives_back_every_field(records):
    head, *rows = csv.reader(io.StringIO(written(records, "csv"), newline=""))
    assert head == list(FIELDS)
    for row, record in zip(rows, records, strict=True):
        assert row == ["" if value is None else str(value) for value in record.values()]


def test_csv_joins_lists_by_blanks():
    records = [{"topics": ["heating", "welfare"], "reason": None}, {"topics": [], "reason": "no"}]
    assert written(records, "csv") == "topics,reason\nheating welfare,\n,no\n"


@settings(derandomize=True, deadline=None, max_examples=200)
@given(RECORDS, st.integers(20, 120))
def test_a_tables_columns_are_aligned_and_its_last_one_is_cut_to_the_width(records, width):
    lines = written(records, "table", width).splitlines()
    cells = [list(FIELDS)]
    cells += [["" if v is None else str(v) for v in record.values()] for record in records]
    at = []  # where the columns begin
    for column in list(zip(*cells, strict=True))[:-1]:
        at.append(max(map(columns, column)) + 2)
    left = max(width - sum(at), 8)
    for line, row in zip(lines, cells, strict=True):
        start = "".join(
            cell + " " * (w - columns(cell)) for cell, w in zip(row[:-1], at, strict=True)
        )
        text = " ".join(row[-1].split())
        assert columns(line) <= sum(at) + left
        if columns(text) <= left:
            assert line == (start + text).rstrip()
        else:
            assert line.startswith(start)
            shown = line[len(start) :]
            assert shown.endswith("…")
            assert text.startswith(shown[:-1])
            assert columns(shown) >= left - 1  # as much as fits, but for half a wide character


def test_a_table_has_a_line_for_each_record_whatever_is_in_its_cells():
    records = [{"topic": "供\n热", "text": "第一行\r\n第二行\u2028第三行\t完"}]  # three lines
    assert written(records, "table") == "topic  text\n供 热  第一行 第二行 第三行 完\n"


def test_a_table_sends_no_control_characters_to_the_terminal():
    shown = written([{"topic": "a\x1b[2J", "text": "换热站\x1b[31m\x07试水\x9b2J"}], "table")
    assert not [char for char in shown if unicodedata.category(char) == "Cc" and char != "\n"]


def made_explanation(weights):
    text = "".join(chr(0x4F00 + i) for i in range(len(weights)))
    spans = tuple(Span(i, i + 1, text[i], weight) for i, weight in enumerate(weights))
    return f"{text}。", Explanation("heating", -1.5 + sum(weights), -1.5, spans)


WEIGHTS = st.lists(st.integers(-500, 500).map(lambda n: n / 100), max_size=14)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(WEIGHTS)
def test_the_weights_of_an_explanation_add_up_to_the_score(weights):
    text, explanation = made_explanation(weights)
    shown = explained(text, explanation, colour=False)
    assert shown.startswith(f"{text}\n\nheating: log-odds {explanation.score:+.2f}\n")
    body = [line.split(maxsplit=1) for line in shown.splitlines()[3:]]
    assert sum(float(weight) for weight, _ in body) == pytest.approx(explanation.score)
    assert body[0] == ["-1.50", "(intercept)"]
    words = body[1:11]
    assert len(words) == min(len(weights), 10)
    assert [abs(float(w)) for w, _ in words] == sorted(map(abs, weights), reverse=True)[:10]
    spans = {(span.text, f"{span.weight:+.2f}") for span in explanation.spans}
    assert {(word, weight) for weight, word in words} <= spans
    if len(weights) > 10:
        assert body[11][1] == f"({len(weights) - 10} more words)"


@settings(derandomize=True, deadline=None, max_examples=100)
@given(WEIGHTS)
def test_colour_adds_to_an_explanation_and_takes_nothing_away(weights):
    plain = explained(*made_explanation(weights), colour=False)
    coloured = explained(*made_explanation(weights), colour=True)
    assert "\x1b" not in plain
    assert ESCAPES.sub("", coloured) == plain


def test_words_for_the_label_are_green_and_words_against_it_red_the_strong_ones_bold():
    text, explanation = made_explanation([4.0, -2.5, 1.0, -0.9, 0.1])
    first, second, third, fourth, fifth = text[:5]
    line = explained(text, explanation, colour=True).split("\n")[0]
    assert line == (
        f"\x1b[32m\x1b[1m{first}\x1b[0m\x1b[31m\x1b[1m{second}\x1b[0m"
        f"\x1b[32m{third}\x1b[0m\x1b[31m{fourth}\x1b[0m{fifth}。"
    )


def test_what_stands_between_the_words_stays():
    spans = (Span(1, 3, "供热", 2.0), Span(5, 7, "停暖", 1.5))  # heat supply, heating stops
    explanation = Explanation("heating", 3.5, 0.0, spans)
    coloured = explained("《供热》，停暖！", explanation, colour=True)
    assert ESCAPES.sub("|", coloured).split("\n")[0] == "《||供热|》，||停暖|！"
