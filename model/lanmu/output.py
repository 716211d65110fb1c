"""How records and explanations are written out: tables for people, JSONL and CSV for programs."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from lanmu.topic_model import Explanation, Labelled, Span

if TYPE_CHECKING:
    from lanmu.page import Fragment, Page

FORMATS = ("table", "jsonl", "csv")
_HEADING_COLUMNS = 32

Record = Mapping[str, Any]


def labelled_record(paragraph: int, text: str, labelled: Labelled) -> Record:
    """Return what is said of one paragraph, in the order of the columns."""
    probability = labelled.probability
    return {
        "paragraph": paragraph,
        "text": text,
        "label": labelled.label,
        "probability": None if probability is None else round(probability, 4),
        "topics": list(labelled.topics),
        "reason": labelled.reason,
    }


def article_records(number: int, page: "Page", form: str) -> Sequence[Record]:
    """Return the articles of a page, the `number`-th of its file from 1, for one of `FORMATS`.

    JSONL has all that is known. Its fragments are numbered from 0 as they stand on the page, whose
    text they are from `start` to `end`. CSV and tables have a line's worth: `paragraphs` counts
    them, and `text` is without the headings.
    """
    if form == "jsonl":
        return [_article_record(number, i, page) for i, _ in enumerate(page.articles)]
    rows: list[dict[str, Any]] = [
        {
            "page": number,
            "article": i,
            "topic": article.topic,
            "paragraphs": len(article.paragraphs),
            "heading": article.heading,
            "text": "\n".join(each.text for each in article.paragraphs if not each.heading),
        }
        for i, article in enumerate(page.articles)
    ]
    if form == "table":
        for row in rows:
            row["topic"] = row["topic"] or "-"
            row["heading"] = _cut(row["heading"] or "", _HEADING_COLUMNS)
    return rows


def _article_record(number: int, i: int, page: "Page") -> Record:
    article = page.articles[i]
    return {
        "page": number,
        "article": i,
        "topic": article.topic,
        "topics": list(article.topics),
        "heading": article.heading,
        "text": article.text,
        "fragments": [_fragment_record(at, page.fragments[at]) for at in article.fragments],
        "joins": [
            {
                "first": join.first,
                "second": join.second,
                "probability": round(join.probability, 4),
                "evidence": {each.name: round(each.weight, 4) for each in join.evidence},
            }
            for join in page.seams
            if join.first in article.fragments
        ],
        "paragraphs": [
            {
                **labelled_record(n, paragraph.text, paragraph.label),
                "heading": paragraph.heading,
                "fragments": list(paragraph.fragments),
            }
            for n, paragraph in enumerate(article.paragraphs)
        ],
    }


def _fragment_record(number: int, fragment: "Fragment") -> Record:
    return {
        "fragment": number,
        "start": fragment.start,
        "end": fragment.end,
        "begins_broken": round(fragment.begins_broken, 4),
        "ends_broken": round(fragment.ends_broken, 4),
    }


def written(records: Sequence[Record], form: str, width: int = 100) -> str:
    r"""Return records in one of `FORMATS`; a table's last column is cut so that lines fit.

    >>> print(written([{"label": "heating", "text": "换热站试水\n今晚开始"}], "table", 20), end="")
    label    text
    heating  换热站试水…
    >>> print(written([{"label": "heating", "topics": ["heating", "ecology"]}], "csv"), end="")
    label,topics
    heating,heating ecology
    """
    if form == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if not records:
        return ""
    rows = [list(records[0]), *([_cell(value) for value in record.values()] for record in records)]
    if form == "csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        return buffer.getvalue()
    return _table(rows, width)


def outlined(value: Any, depth: int = 0) -> str:
    """Return plain values as an indented outline.

    >>> print(outlined({"labels": ["a", "b"], "scores": {"macro_f1": 0.9}}), end="")
    labels: a, b
    scores:
      macro_f1: 0.9
    """
    lines = []
    for name, item in value.items():
        if isinstance(item, dict) and depth and not any(isinstance(i, dict) for i in item.values()):
            told = ", ".join(f"{key} {value}" for key, value in item.items())
            lines.append(f"{'  ' * depth}{name}: {told or '-'}\n")
        elif isinstance(item, dict) and item:
            lines.append(f"{'  ' * depth}{name}:\n{outlined(item, depth + 1)}")
        else:
            items = item if isinstance(item, list) else [item]
            told = ", ".join(map(str, items)) if items and item != {} else "-"
            lines.append(f"{'  ' * depth}{name}: {told}\n")
    return "".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(rows: list[list[str]], width: int) -> str:
    rows = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)][:-1]
    left = max(width - sum(widths) - 2 * len(widths), 8)
    lines = []
    for row in rows:
        cells = [
            cell + " " * (w - _columns(cell)) for cell, w in zip(row[:-1], widths, strict=True)
        ]
        lines.append("  ".join([*cells, _cut(row[-1], left)]).rstrip() + "\n")
    return "".join(lines)


def _one_line(cell: str) -> str:
    """Return text that a terminal prints on one line, without what would steer the terminal."""
    line = " ".join(cell.split())
    return "".join(character for character in line if unicodedata.category(character) != "Cc")


def _columns(text: str) -> int:
    return sum(map(_character_columns, text))


def _character_columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, columns: int) -> str:
    used = 0
    for at, character in enumerate(text):
        used += _character_columns(character)
        if used > columns - (at + 1 < len(text)):
            return text[:at] + "…"
    return text


def explained(text: str, explanation: Explanation, colour: bool) -> str:
    """Return the text with its deciding words marked, and these words with their weights.

    In colour, words for the label are green and words against it red, the strong ones bold. Where
    there is no colour the words below the text tell it alone.
    """
    strongest = sorted(explanation.spans, key=lambda span: -abs(span.weight))
    strong = abs(strongest[0].weight) / 2 if strongest else 0.0
    lines = [_coloured(text, explanation.spans, strong) if colour else text, ""]
    lines.append(f"{explanation.label}: log-odds {explanation.score:+.2f}")
    lines.append(f"{explanation.intercept:+8.2f}  (intercept)")
    shown = strongest[:10]
    lines += [f"{span.weight:+8.2f}  {span.text}" for span in shown]
    if rest := strongest[10:]:
        lines.append(f"{sum(span.weight for span in rest):+8.2f}  ({len(rest)} more words)")
    return "\n".join(lines) + "\n"


def _coloured(text: str, spans: Iterable[Span], strong: float) -> str:
    pieces, at = [], 0
    for span in spans:
        weight = abs(span.weight)
        colour = "green" if span.weight > 0 else "red"
        marked = click.style(span.text, fg=colour, bold=weight >= strong or None)
        marked = marked if weight >= strong / 5 else span.text
        pieces += [text[at : span.start], marked]
        at = span.end
    return "".join([*pieces, text[at:]])
