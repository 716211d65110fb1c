"""What a fragment tells by itself: open quotes, numbers, marks, headings, and how it begins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu.fragments import (
    Piece,
    begin_features,
    broken_elsewhere,
    end_features,
    first_token,
    is_heading,
    joined,
    last_token,
    opening,
)
from lanmu.words import cutter


@pytest.mark.parametrize(
    ("text", "unopened", "unclosed"),
    [
        ("他说“好", "", "“"),
        ("了。”大家", "”", ""),
        ("《通知》（试行", "", "("),
        ("“甲”与“乙”", "", ""),
        ('他说"好', "", '"'),
        ("版面（上", "", "("),
    ],
)
def test_quotes_and_brackets_left_open_are_told(text, unopened, unclosed):
    piece = Piece.of(text)
    assert (piece.unopened, piece.unclosed) == (unopened, unclosed)


@pytest.mark.parametrize(
    ("text", "numbering"),
    [
        ("（二）抓落实", ("bracketed", 2)),
        ("十二、工作安排", ("counted", 12)),
        ("3.5万人", None),
        ("第三章 附则", ("ordinal", 3)),
        ("③办理", ("circled", 3)),
        ("今年", None),
    ],
)
def test_the_number_at_the_beginning_is_read(text, numbering):
    assert Piece.of(text).numbering == numbering


def test_marks_blanks_and_counts_are_told():
    assert Piece.of("（上接第1版）全面学习").continued
    assert Piece.of("（紧接三版）全面学习").continued
    assert not Piece.of("上接天光").continued
    assert Piece.of("东部并网 六万户用上余热").spaced
    assert Piece.of("一是早，二是快").ordinals == (1, 2)


@pytest.mark.parametrize("text", ["抢修完毕。", "真的？”", "好…", "完！）", "完。（记者 老周）"])
def test_a_sentence_that_stopped_is_no_heading_and_has_nothing_else_to_tell(text):
    piece = Piece.of(text)
    assert piece.stopped
    assert not is_heading(piece, 0.0)
    assert end_features(piece, 0.0, {}, cutter()) == {"stopped": 1.0}


def test_a_heading_is_short_and_neither_stopped_nor_broken():
    assert is_heading(Piece.of("湿地公园迎来候鸟"), 0.1)
    assert not is_heading(Piece.of("湿地公园迎来候鸟"), 0.9)
    assert not is_heading(Piece.of("湿地公园迎来候鸟，"), 0.1)
    assert not is_heading(Piece.of("湿地" * 30), 0.1)


def test_an_opening_is_looked_up_by_word_then_by_character():
    known = {"综合体": 2.0, "^综": -1.0, "0年": 1.5}
    assert opening("综合体开业", known, cutter()) == 2.0
    assert opening("综艺", known, cutter()) == -1.0
    assert opening("2024年", known, cutter()) == 1.5
    assert opening("湿地", known, cutter()) == 0.0


def test_an_ending_is_looked_up_by_word_then_by_character():
    given = [("大型商业综", 2.0), ("供热公司", -1.0), ("共2024", 0.5), ("湿地", 0.0)]
    known = {"综": 2.0, "^司": -1.0, "0": 0.5}
    for text, closing in given:
        assert end_features(Piece.of(text), 0.0, known, cutter())["closing"] == closing


@pytest.mark.parametrize(
    ("text", "broken_off"),
    [
        ("供热站昨夜抢修完毕。今天夜里开始分批", True),
        ("供热站昨夜抢修完毕，", True),
        ("供热站说：“昨夜抢修完毕", True),
        ("供热站昨夜抢修完毕。", False),
        ("供热站昨夜抢修，湿地来了候鸟", False),  # perhaps a heading
        ("供热站昨夜抢修完毕。以下小区今天升温：", False),
    ],
)
def test_what_is_plainly_broken_off_is_told(text, broken_off):
    assert Piece.of(text).broken_off is broken_off


def test_the_rest_of_the_page_tells_whether_it_was_cut():
    heading, whole, broken = map(Piece.of, ("候鸟到达", "白鹭来了。", "白鹭来了。它们在堤"))
    assert broken_elsewhere([heading, whole])[0] < 0 < broken_elsewhere([heading, broken])[0]
    assert broken_elsewhere([broken]) == broken_elsewhere([whole]) == [0.0]


def test_a_beginning_knows_what_stands_before_it():
    piece = Piece.of("体，每天有7吨厨余垃圾。")
    after_broken = begin_features(piece, 0.0, (0.0, 0.9, 0.0, False), {}, cutter())
    assert after_broken["after_broken"] == 0.9
    assert after_broken["clause_under_4"] == 1.0
    after_whole = begin_features(piece, 0.0, (0.0, 0.0, 2.0, True), {}, cutter())
    assert after_whole["near_whole"] == 2.0


@given(st.text('供热公“”（）()"一、二1①第,。. a\u3000', max_size=30))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_any_text_can_be_read(text):
    piece = Piece.of(text)
    assert not any(character.isspace() for character in piece.text)
    first_token(piece.text, cutter())
    last_token(piece.text, cutter())
    end_features(piece, broken_elsewhere([piece])[0], {}, cutter())


def test_joined_drops_line_breaks_but_not_blanks_between_latin_words():
    assert joined(["商业综", "合体\n开业"]) == "商业综合体开业"
    assert joined(["hello\nworld"]) == "hello world"
    assert joined([]) == ""
