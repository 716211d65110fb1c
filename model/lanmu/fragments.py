"""What one fragment of a page tells by itself of its beginning and its end."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lanmu.text import normalise
from lanmu.words import FIRST_HAN, LAST_HAN, Cut

PARTNERS = dict(zip("“‘「『《〈【([", "”’」』》〉】)]", strict=True)) | {'"': '"'}
"""Opening quotes and brackets of normalised text with the ones that close them."""

_OPENINGS = {closing: opening for opening, closing in PARTNERS.items()}
_STOPS = tuple("。!?…:")
_CLOSINGS = "".join(set(PARTNERS.values()))
_NUMERALS = "〇一二三四五六七八九"
_NUMERAL = r"[0-9]{1,2}|[一二三四五六七八九十]{1,3}"
_CONTINUED = re.compile(r"[(【\[]?[上紧]接(?:第?[0-9一二三四五六七八九十a-z]{1,3}|头)版")
_NUMBERING = re.compile(
    rf"\((?P<bracketed>{_NUMERAL})\)|(?P<counted>{_NUMERAL})(?:、|\.(?![0-9]))"
    rf"|第(?P<ordinal>{_NUMERAL})(?=[章节条,、])|(?P<circled>[①-⑳])"
)
_ORDINAL = re.compile(rf"[第其]({_NUMERAL})[,是]|({_NUMERAL})是(?!否)")
_BLANK_BETWEEN = re.compile(r"[一-鿕“”][ \u3000]+[一-鿕“”]")
_FIRST_MARK = re.compile(r"[,。:;!?、]")
_LONGEST_HEADING = 45
_FEW_HAN = f"[{chr(FIRST_HAN)}-{chr(LAST_HAN)}]{{1,6}}"
_FIRST_RUN, _LAST_RUN = re.compile(_FEW_HAN), re.compile(_FEW_HAN + "$")
_AFTER_MARKS = re.compile(r"[^,、:;。!?]*$")
_ASIDE = re.compile(r"\([^()]*\)$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A fragment's text, normalised and without white space, and what is read off it.

    `unopened` are the closing quotes and brackets without an opening one in the fragment,
    `unclosed` the opening ones without a closing one; `numbering` the kind of number that it begins
    with and its value; `ordinals` the values of what it counts, as in 一是…二是. `continued` tells
    of a mark like (上接第1版) at its beginning, `spaced` of a blank between Han characters, which
    parts the lines of a heading.
    """

    text: str
    unopened: str
    unclosed: str
    numbering: tuple[str, int] | None
    ordinals: tuple[int, ...]
    continued: bool
    spaced: bool

    @classmethod
    def of(cls, fragment: str) -> "Piece":
        """Read a fragment.

        >>> piece = Piece.of("（二）抓落实。一是“早”，二是")
        >>> piece.text, piece.unclosed, piece.numbering, piece.ordinals
        ('(二)抓落实。一是“早”,二是', '', ('bracketed', 2), (1, 2))
        """
        text = "".join(normalise(fragment).split())
        numbered = _NUMBERING.match(text)
        numbering = None
        if numbered and numbered.lastgroup:
            numbering = numbered.lastgroup, _value(numbered[numbered.lastgroup])
        return cls(
            text,
            *_left_open(text),
            numbering,
            tuple(_value(found[1] or found[2]) for found in _ORDINAL.finditer(text)),
            _CONTINUED.match(text) is not None,
            _BLANK_BETWEEN.search(fragment) is not None,
        )

    @property
    def stopped(self) -> bool:
        """Whether it ends as a sentence does, with its closing quotes or an aside in brackets.

        So does a paragraph before a list or a letter, with a colon.
        """
        endings = self.text, _ASIDE.sub("", self.text)
        return any(text.rstrip(_CLOSINGS).endswith(_STOPS) for text in endings)

    @property
    def broken_off(self) -> bool:
        """Whether it plainly ends mid-sentence: within a quotation, at a comma, after others."""
        if self.stopped or self.text.endswith(";"):
            return False
        return bool(self.unclosed) or self.text.endswith((",", "、")) or "。" in self.text


def broken_elsewhere(pieces: Sequence[Piece]) -> list[float]:
    """Return for each fragment how much of the rest of the page is plainly broken off: log-odds.

    >>> [round(value, 2) for value in broken_elsewhere([Piece.of("城东，"), Piece.of("好。")])]
    [-1.1, 1.1]
    """
    broken = [piece.broken_off for piece in pieces]
    stopped = [piece.stopped for piece in pieces]
    n_broken, n_stopped = sum(broken), sum(stopped)
    return [
        math.log((n_broken - b + 0.5) / (n_stopped - s + 0.5))
        for b, s in zip(broken, stopped, strict=True)
    ]


def _left_open(text: str) -> tuple[str, str]:
    unopened: list[str] = []
    unclosed: list[str] = []
    for character in text:
        if character == '"':  # opens and closes alike
            closes = '"' in unclosed
        elif character in PARTNERS:
            closes = False
        elif character in _OPENINGS:
            closes = True
        else:
            continue
        if not closes:
            unclosed.append(character)
        elif (opening := _OPENINGS[character]) in unclosed:
            del unclosed[len(unclosed) - 1 - unclosed[::-1].index(opening) :]
        else:
            unopened.append(character)
    return "".join(unopened), "".join(unclosed)


def _value(numeral: str) -> int:
    """Return what a numeral up to 99 is worth.

    >>> [_value(numeral) for numeral in ("7", "十", "二十一", "③")]
    [7, 10, 21, 3]
    """
    if numeral.isdecimal():
        return int(numeral)
    if "①" <= numeral <= "⑳":
        return ord(numeral) - ord("①") + 1
    tens, ten, ones = numeral.rpartition("十")
    return 10 * max(_NUMERALS.find(tens or "一"), 0) * bool(ten) + max(
        _NUMERALS.find(ones or "〇"), 0
    )


def first_run(text: str) -> str:
    """Return the Han characters that a text begins with, six at most."""
    run = _FIRST_RUN.match(text)
    return run[0] if run else ""


def last_run(text: str) -> str:
    """Return the Han characters that a text ends with, six at most."""
    run = _LAST_RUN.search(text)
    return run[0] if run else ""


def first_token(text: str, cut: Cut) -> tuple[str, str]:
    """Return what a text begins with, and its kind: a word and its first character.

    A number stands for all numbers: its token is "0" with the character after it.

    >>> from lanmu.words import cutter
    >>> first_token("综合体每天", cutter()), first_token("2024年", cutter())
    (('综合体', '综'), ('0年', '0'))
    """
    if run := first_run(text):
        return cut(run)[0], text[0]
    if number := re.match(r"[0-9.]+(.?)", text):
        return "0" + number[1], "0"
    return text[:1], text[:1]


def last_token(text: str, cut: Cut) -> tuple[str, str]:
    """Return what a text ends with, and its kind: a word and its last character.

    >>> from lanmu.words import cutter
    >>> last_token("大型商业综", cutter()), last_token("共2024", cutter())
    (('综', '综'), ('0', '0'))
    """
    if run := last_run(text):
        return cut(run)[-1], text[-1]
    last = "0" if text[-1:].isdecimal() else text[-1:]
    return last, last


Statistics = dict[str, float]
"""Log-odds by token or character."""


def end_features(piece: Piece, elsewhere: float, closings: Statistics, cut: Cut) -> Statistics:
    """Return what tells whether a fragment ends mid-sentence.

    `elsewhere` is what `broken_elsewhere` tells of the rest of the page.
    """
    text = piece.text
    if not text or piece.stopped:
        return {"stopped": 1.0}
    last, tail = text[-1], _AFTER_MARKS.search(text)
    stop_inside = any(mark in text[:-1] for mark in "。!?;")
    return {
        "elsewhere": elsewhere,
        "comma": float(last in ",、"),
        "semicolon": float(last == ";"),
        "closing_mark": float(last in _CLOSINGS),
        "left_open": float(bool(piece.unclosed)),
        "short": max(0.0, 1.0 - len(text) / _LONGEST_HEADING),
        "length": math.log(len(text)),
        "tail": math.log1p(len(tail[0]) if tail else 0),
        "stop_inside": float(stop_inside),
        "comma_inside": float("," in text[:-1]),
        "spaced": float(piece.spaced and not stop_inside),
        "closing": look_up(closings, *last_token(text, cut)),
    }


def opening(text: str, openings: Statistics, cut: Cut) -> float:
    """Return how much likelier a paragraph begins so than the rest of a cut sentence: log-odds."""
    return look_up(openings, *first_token(text, cut))


def look_up(statistics: Statistics, token: str, kind: str) -> float:
    """Return what is known of a token, or else of its kind."""
    return statistics.get(token, statistics.get("^" + kind, 0.0))


def begin_features(
    piece: Piece,
    ends_broken: float,
    around: tuple[float, float, float, bool],
    openings: Statistics,
    cut: Cut,
) -> Statistics:
    """Return what tells whether a fragment begins mid-sentence.

    `around` is what `broken_elsewhere` tells of the rest of the page; and of the fragment before it
    the probability that it ends mid-sentence, how near it is in words, from 0 on, and whether its
    topics are others.
    """
    elsewhere, broken_before, near, clash = around
    text = piece.text
    mark = _FIRST_MARK.search(text[:20])
    clause = mark.start() if mark else 20
    return {
        "elsewhere": elsewhere,
        "opening": opening(text, openings, cut),
        "unopened": float(bool(piece.unopened)),
        "numbered": float(piece.numbering is not None),
        "continued_mark": float(piece.continued),
        "after_broken": broken_before,
        "near_whole": (1.0 - broken_before) * near,
        "clash_with_whole": (1.0 - broken_before) * clash,
        "short": max(0.0, 1.0 - len(text) / 60),
        "heading": 0.0 if piece.stopped else 1.0 - ends_broken,
        "clause_under_4": float(clause < 4),
        "clause_under_8": float(clause < 8),
        "clause_over_14": float(clause > 14),
        "stop_first": float(mark is not None and mark[0] in "。!?;"),
        "list_first": float(mark is not None and mark[0] == "、"),
    }


def is_heading(piece: Piece, ends_broken: float) -> bool:
    """Tell whether a fragment is a heading: short, not stopped, and not broken off."""
    return (
        len(piece.text) <= _LONGEST_HEADING
        and not piece.stopped
        and piece.text[-1:] not in tuple(",、;")
        and ends_broken < 0.5
    )


def joined(fragments: Iterable[str]) -> str:
    r"""Return fragments as one text, without the line breaks of the layout.

    >>> joined(["商业综", "合体，每天有7吨\n厨余垃圾。"])
    '商业综合体，每天有7吨厨余垃圾。'
    """
    lines = [line.strip() for line in "".join(fragments).splitlines()]
    text = ""
    for line in filter(None, lines):
        latin = text[-1:].isascii() and line[0].isascii() and text[-1:].isalnum()
        text += " " + line if latin and line[0].isalnum() else line
    return text
