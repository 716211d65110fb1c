"""Newspaper pages made of whole articles, cut by columns as a layout does, and the truth."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_NO_LINE_START = "，。、；：！？”’）》】」』…,.;:!?)%"
_CLEAN_END = re.compile(r"[。！？…；!?;][”’）」』)\"]*$")
_TO_HALF_WIDTH = str.maketrans("，：；！？（）", ",:;!?()")

_LEAST = 12  # characters on each side of a cut: a line of a narrow column
_RATES = (0.0, 0.3, 0.4, 0.4, 0.5)  # of cuts in a paragraph, by article
_JUMPS, _CLEAN_JUMPS = 0.6, 0.04  # how often other articles stand after a cut, after a paragraph
_SHUFFLED, _HALF_WIDTH = 0.04, 0.35  # of pages
_NO_BEGINNING, _NO_END, _MARKED = 0.3, 0.03, 0.06  # of articles


@dataclass(frozen=True, slots=True)
class WholeArticle:
    """An article as its author wrote it."""

    id: str
    title: str | None
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MadePage:
    """A page: its fragments, the article of each, and which runs on into which, mid-sentence.

    `begins` and `ends` are the fragments that begin and end mid-sentence, whether what is missing
    is on the page or not.
    """

    fragments: tuple[str, ...]
    articles: tuple[str, ...]
    joins: tuple[tuple[int, int], ...]
    begins: frozenset[int]
    ends: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Scrap:
    article: str
    number: int  # in its article; the title's is -1
    text: str
    begins_broken: bool
    ends_broken: bool


def make_page(articles: Sequence[WholeArticle], dice: random.Random) -> MadePage:
    """Lay articles out over columns, and read the columns in an order that mixes them.

    A column ends anywhere, also within a word, a number or a quotation, but hardly ever before
    closing punctuation. Then the article goes on in the next column, or after pieces of others. It
    may have lost its beginning or its end to another page, with a mark or without.
    """
    laid = _laid([_columns(article, dice) for article in articles], dice)
    if dice.random() < _SHUFFLED:
        dice.shuffle(laid)
    return _printed(laid, dice)


def make_whole_page(articles: Sequence[WholeArticle], dice: random.Random) -> MadePage:
    """Lay articles out without a broken sentence, one after another or their paragraphs mixed."""
    mixed = dice.random() < 0.5
    queues = []
    for article in articles:
        texts = [article.title, *article.paragraphs] if article.title else article.paragraphs
        scraps = [_Scrap(article.id, i, text, False, False) for i, text in enumerate(texts)]
        queues.append([[scrap] for scrap in scraps] if mixed else [scraps])
    return _printed(_laid(queues, dice), dice)


def _laid(queues: list[list[list[_Scrap]]], dice: random.Random) -> list[list[_Scrap]]:
    return [queues[k].pop(0) for k in _mixed([len(columns) for columns in queues], dice)]


def _printed(laid: list[list[_Scrap]], dice: random.Random) -> MadePage:
    half_width = dice.random() < _HALF_WIDTH
    scraps = [scrap for column in laid for scrap in column]
    place = {(scrap.article, scrap.number): i for i, scrap in enumerate(scraps)}
    joins = [
        (i, place[scrap.article, scrap.number + 1])
        for i, scrap in enumerate(scraps)
        if scrap.ends_broken and (scrap.article, scrap.number + 1) in place
    ]
    return MadePage(
        tuple(s.text.translate(_TO_HALF_WIDTH) if half_width else s.text for s in scraps),
        tuple(scrap.article for scrap in scraps),
        tuple(joins),
        frozenset(i for i, scrap in enumerate(scraps) if scrap.begins_broken),
        frozenset(i for i, scrap in enumerate(scraps) if scrap.ends_broken),
    )


def _mixed(lengths: list[int], dice: random.Random) -> list[int]:
    """Return queue numbers, each as often as its length, seldom the same twice in a row."""
    left = list(lengths)
    order: list[int] = []
    while any(left):
        live = [k for k, n in enumerate(left) if n]
        order.append(dice.choice([k for k in live if k not in order[-1:]] or live))
        left[order[-1]] -= 1
    return order


def _columns(article: WholeArticle, dice: random.Random) -> list[list[_Scrap]]:
    """Cut an article into the runs of scraps that stand together on the page."""
    damaged, broken, no_end = _damaged(article, dice)
    columns: list[list[_Scrap]] = [[]]
    if damaged.title:
        columns[0].append(_Scrap(article.id, -1, damaged.title, False, False))
    rate, number = dice.choice(_RATES), 0
    for paragraph in damaged.paragraphs:
        *heads, last = _cut(paragraph, rate, dice)
        for piece in (*heads, last):
            runs_on = piece is not last and not _CLEAN_END.search(piece)
            columns[-1].append(_Scrap(article.id, number, piece, broken, runs_on))
            broken, number = runs_on, number + 1
            if dice.random() < (_CLEAN_JUMPS if piece is last else _JUMPS):
                columns.append([])
    columns = [column for column in columns if column]
    columns[-1][-1] = replace(columns[-1][-1], ends_broken=no_end)
    return columns


def _damaged(article: WholeArticle, dice: random.Random) -> tuple[WholeArticle, bool, bool]:
    """Return what of an article is on the page, and whether its sentences lack beginning or end."""
    title, (first, *rest) = article.title, article.paragraphs
    no_beginning = no_end = False
    fate = dice.random()
    if fate < _NO_BEGINNING and len(first) > 40:
        at = dice.randrange(10, len(first) - 10)
        no_beginning = not _CLEAN_END.search(first[:at])
        first = first[at:]
        title = title if dice.random() < 0.15 else None
        marked = dice.random() < 0.15
    else:
        marked = fate > 1 - _MARKED
    if marked:
        first = f"（上接第{dice.choice('1123')}版）" + first
    *rest, last = first, *rest
    if dice.random() < _NO_END and len(last) > 40:
        last = last[: dice.randrange(25, len(last) - 5)]
        no_end = not _CLEAN_END.search(last)
    return replace(article, title=title, paragraphs=(*rest, last)), no_beginning, no_end


def _cut(paragraph: str, rate: float, dice: random.Random) -> list[str]:
    pieces = []
    while len(paragraph) > 3 * _LEAST and dice.random() < rate:
        at = dice.randrange(_LEAST, len(paragraph) - _LEAST)
        while paragraph[at : at + 1] in tuple(_NO_LINE_START) and dice.random() < 0.9:
            at += 1
        if len(paragraph) - at < 2:
            break
        pieces.append(paragraph[:at])
        paragraph = paragraph[at:]
    return [*pieces, paragraph]
