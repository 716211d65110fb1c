"""Any bytes become text or a typed error, and any text one normalised form."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu import UndecodableTextError
from lanmu.text import Decoded, decode, normalise, normalised_codes, paragraphs

CASES = json.loads((Path(__file__).parents[1] / "cases" / "text.json").read_bytes())
EVERY_CHARACTER = "".join(map(chr, range(0x110000)))  # lone surrogates included
ANY_TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("供热，。 \n\u3000\u200b\ufeffＡ１\ud83d\ude00\0"))
)
LINES = st.text(st.sampled_from("供热a \t\u3000\n\r"), max_size=30)


def cases(name):
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: case["comment"][:40])


@cases("normalise")
def test_text_has_its_normalised_form(case):
    assert normalise(case["text"]) == case["normalised"]


def test_normalising_twice_changes_nothing_more():
    once = normalise(EVERY_CHARACTER)
    assert normalise(once) == once


def test_normalised_text_has_no_control_character_surrogate_capital_or_full_width_one():
    assert not re.search(
        "[\x00-\x1fA-Z\x7f-\xa0\u200b-\u200f\u2028\u2029\u3000\ud800-\udfff\ufeff\uff01-\uff5e]",
        normalise(EVERY_CHARACTER),
    )


def test_every_full_width_character_is_read_as_its_ascii_twin():
    ascii_twins = "".join(map(chr, range(0x21, 0x7F)))
    full_width = "".join(chr(ord(character) + 0xFEE0) for character in ascii_twins)
    assert normalise(full_width) == normalise(ascii_twins) == ascii_twins.lower()


def test_ordinary_chinese_text_is_left_as_it_is():
    every_han = "".join(map(chr, range(0x4E00, 0xA000)))
    assert normalise(every_han) == every_han
    assert normalise("。、《》“”—…·℃") == "。、《》“”—…·℃"


@given(ANY_TEXT, ANY_TEXT)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_each_character_is_normalised_by_itself(one, other):
    assert normalise(one + other) == normalise(one) + normalise(other)


@given(ANY_TEXT)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_each_normalised_character_knows_where_it_stood(text):
    codes, origin = normalised_codes(text)
    assert "".join(map(chr, codes)) == normalise(text)
    assert [normalise(text[at]) for at in origin] == [chr(code) for code in codes]
    assert sorted(set(origin.tolist())) == origin.tolist()
    gone = set(range(len(text))) - set(origin.tolist())
    assert not any(normalise(text[at]) for at in gone)


@cases("decode")
def test_bytes_are_decoded(case):
    assert decode(bytes.fromhex(case["hex"])) == Decoded(case["text"], case["encoding"])


@cases("undecodable")
def test_bytes_in_no_encoding_are_refused(case):
    with pytest.raises(UndecodableTextError):
        decode(bytes.fromhex(case["hex"]))


MARKS = [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff"]
ANY_BYTES = st.builds(bytes.__add__, st.sampled_from(MARKS), st.binary())
ENCODINGS = ["utf-8", "UTF-16", "gb18030", "big5", "ascii", "idna", "punycode", "hex", "rot13"]
NO_ENCODINGS = ["undefined", "no-such-encoding", "", "a\0b", "\ud800", "../utf-8"]


def decoded_or_refused(data, encoding=None):
    try:
        return decode(data, encoding)
    except UndecodableTextError:
        return None


@given(ANY_BYTES)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_bytes_are_decoded_or_refused(data):
    decoded = decoded_or_refused(data)
    if decoded is not None:
        assert normalise(decoded.text) == normalise(data.decode(decoded.encoding))


@given(st.text(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"]))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_text_is_read_back_in_the_encoding_that_it_was_written_in(text, encoding):
    assert decode(text.encode(encoding), encoding).text == text.removeprefix("\ufeff")
    if encoding in ("utf-8-sig", "utf-16", "utf-32") and not text.startswith(("\0", "\ufeff")):
        assert decode(text.encode(encoding)).text == text


@given(ANY_BYTES, st.sampled_from(ENCODINGS))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_bytes_in_a_named_encoding_are_decoded_or_refused(data, encoding):
    decoded = decoded_or_refused(data, encoding)
    assert decoded is None or decoded.encoding == encoding


@pytest.mark.parametrize("encoding", NO_ENCODINGS, ids=ascii)
def test_what_names_no_encoding_is_refused(encoding):
    with pytest.raises(UndecodableTextError):
        decode(b"GDP", encoding)


def test_a_named_encoding_is_the_only_one_tried():
    with pytest.raises(UndecodableTextError, match="utf-8"):
        decode("供热".encode("gb18030"), "utf-8")


def test_a_refusal_says_which_byte_is_wrong():
    with pytest.raises(UndecodableTextError, match=r"byte 3 is 0xff.*name its encoding"):
        decode("供".encode() + b"\xff")


@cases("paragraphs")
def test_text_is_parted_into_paragraphs(case):
    text = case["text"]
    assert [text[start:end] for start, end in paragraphs(text)] == case["paragraphs"]


@given(LINES | ANY_TEXT)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_paragraphs_hold_all_text_but_white_space_in_order(text):
    spans = paragraphs(text)
    pieces = [text[start:end] for start, end in spans]
    assert all(piece and piece == piece.strip() for piece in pieces)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.text(st.sampled_from("供热a \t\u3000\n"), max_size=30))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_windows_line_ends_part_the_same_paragraphs(text):
    windows = text.replace("\n", "\r\n")
    assert [windows[start:end] for start, end in paragraphs(windows)] == [
        text[start:end].replace("\n", "\r\n") for start, end in paragraphs(text)
    ]


@pytest.mark.parametrize(
    "unit", ["供热管网改造", "\n", "\r\n", "\n \u3000", " ", "热\n\n", "\ud83d"]
)
def test_time_is_linear_in_length(unit, growth):
    def read(text):
        normalise(text)
        paragraphs(text)
        decode(text.encode("gb18030", "replace"))

    n = 60_000 // len(unit)
    assert growth(read, unit * n, unit * (4 * n)) <= 12
