r"""Rows of JSONL, CSV and TSV: found in bytes, read for their text, written with an answer more.

A row that is written is, byte for byte, the row that was read, with the new fields put in before
its end: numbers, escapes, quotes and line ends of the other fields stay as they are.

    {"id": 1.0, "text": "停暖"}
    {"id": 1.0, "text": "停暖", "label": "heating", "probability": 0.97, "topics": ["heating"]}
"""

import codecs
import csv
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, Protocol

from lanmu.errors import LanmuError
from lanmu.topic_model import Labelled

ROW_LIMIT = 2_000_000
"""The most bytes a row may have; labelling a text as long as that takes some 200 MB of memory."""

ADDED = ("label", "probability", "topics")
"""The fields that a labelled row has more."""

DELIMITERS = {"csv": ",", "tsv": "\t"}

_SKIPPED_AT_ONCE = 1 << 20
_JSON_TYPES = {dict: "an object", list: "a list", str: "a string", float: "a number",
               bool: "true or false", type(None): "null"}  # fmt: skip


class BulkError(LanmuError):
    """The input, the output or the settings of a bulk run can't be used."""


class BadRowError(ValueError):
    """A row can't be labelled; the message is the reason."""


class Record(NamedTuple):
    """The bytes of one row, and where it stands.

    `line` counts from 1, `offset` and `size` are bytes of the unpacked file. Of a row of more than
    `ROW_LIMIT` bytes, `data` is only the beginning.
    """

    offset: int
    line: int
    size: int
    data: bytes


class Readable(Protocol):
    """A binary stream."""

    def readline(self, size: int, /) -> bytes: ...  # noqa: D102


def records(
    stream: Readable, form: str, offset: int, line: int, end: int | None = None
) -> Iterator[Record]:
    r"""Yield the rows from where a stream stands, at `offset`, to `end` or the last.

    >>> from io import BytesIO
    >>> [record.line for record in records(BytesIO(b'a,b\n"1\n2",3\n4,5\n'), "csv", 0, 1)]
    [1, 2, 4]
    """
    lines = _lines(stream, offset, line, end)
    return lines if form == "jsonl" else _csv_records(lines, DELIMITERS[form])


def _lines(stream: Readable, offset: int, line: int, end: int | None) -> Iterator[Record]:
    read, limit = stream.readline, ROW_LIMIT + 1
    while (end is None or offset < end) and (data := read(limit)):
        size = len(data)
        last = data
        while size >= limit and last and not last.endswith(b"\n"):
            last = read(_SKIPPED_AT_ONCE)
            size += len(last)
        yield Record(offset, line, size, data)
        offset += size
        line += 1


def _csv_records(lines: Iterator[Record], delimiter: str) -> Iterator[Record]:
    """Join lines until no quoted cell is open; give up on one that runs over the row's limit."""
    for first in lines:
        record = first
        is_open = _leaves_cell_open(first.data, delimiter, False)
        while is_open and record.size <= ROW_LIMIT:
            following = next(lines, None)
            if following is None:
                break
            data = (record.data + following.data)[: ROW_LIMIT + 1]
            record = Record(record.offset, record.line, record.size + following.size, data)
            is_open = _leaves_cell_open(following.data, delimiter, True)
        yield record


def _leaves_cell_open(line: bytes, delimiter: str, is_open: bool) -> bool:
    """Tell whether a line ends inside a quoted cell, as the csv module takes quotes."""
    if b'"' not in line:
        return is_open
    closed, cells = _cell_patterns(delimiter)
    at = 0
    if is_open:
        rest = closed.match(line)
        if not rest:
            return True
        at = rest.end()
    whole = cells.match(line, at)
    return line[whole.end() if whole else at :].startswith(b'"')


@functools.cache
def _cell_patterns(delimiter: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what closes a quoted cell, and whole cells in a row."""
    inside, after = r'(?:[^"]++|"")*+"', f"[^{delimiter}]*+(?:{delimiter}|\\Z)"
    cells = f'(?:(?:"{inside}|(?!")){after})*+'
    return re.compile(f"{inside}{after}".encode()), re.compile(cells.encode())


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a run are read and written.

    `text_field` is the field to label; `encoding` is "utf-8" or "gb18030"; `header`, of CSV and
    TSV, is the first row as it stands in the file, and `cells` what it says.
    """

    form: str
    text_field: str
    encoding: str
    header: bytes = b""
    cells: tuple[str, ...] = ()

    def texts(self, rows: Sequence[Record]) -> list[str | BadRowError]:
        """Return the text of each row, or why it has none to label."""
        read = self._json_text if self.form == "jsonl" else self._csv_text
        found: list[str | BadRowError] = []
        lines = self._decoded_at_once(rows) or [None] * len(rows)
        for row, line in zip(rows, lines, strict=True):
            try:
                found.append(read(decoded(row, self.encoding) if line is None else line))
            except BadRowError as error:
                found.append(error)
        return found

    def _decoded_at_once(self, rows: Sequence[Record]) -> Sequence[str | None] | None:
        """Return what rows say, sooner than `decoded` does; None where one needs a closer look."""
        if self.form != "jsonl" or not rows[0].offset or max(row.size for row in rows) > ROW_LIMIT:
            return None
        try:
            lines = b"".join([row.data for row in rows]).decode(self.encoding).split("\n")
        except UnicodeDecodeError:
            return None
        return lines[: len(rows)]

    def labelled(self, rows: Sequence[bytes], answers: Sequence[Labelled]) -> bytes:
        """Return the bytes of rows with their answers."""
        write = self._json_row if self.form == "jsonl" else self._csv_row
        return b"".join(map(write, rows, answers))

    def _json_text(self, line: str) -> str:
        try:
            row = _json_value(line.rstrip("\r\n"))
        except BadRowError:
            raise
        except json.JSONDecodeError as error:
            if not line.strip(" \t\v\f\r\n"):
                raise BadRowError("an empty line") from None
            raise BadRowError(f"not JSON: {error.msg} (character {error.pos + 1})") from None
        except RecursionError:
            raise BadRowError("nested too deeply") from None
        if type(row) is not dict:
            raise BadRowError(f"{_JSON_TYPES[type(row)]}, not an object")
        text = row.get(self.text_field)
        if type(text) is not str:
            if self.text_field not in row:
                raise BadRowError(f"no field {self.text_field!r}")
            raise BadRowError(f"field {self.text_field!r} is {_JSON_TYPES[type(text)]}, no string")
        if not _ADDED.isdisjoint(row):
            taken = next(name for name in ADDED if name in row)
            raise BadRowError(f"has a field {taken!r} already; rename it")
        return text

    def _json_row(self, data: bytes, answer: Labelled) -> bytes:
        if data.startswith(codecs.BOM_UTF8):
            data = data[3:]
        body, end = data[:-2], b"\n"
        if not data.endswith(b"}\n"):
            row = data.rstrip(b" \t\r\n")
            body, end = row[:-1], data[len(row) :].removesuffix(b"\n") + b"\n"
        probability = None if answer.probability is None else round(answer.probability, 4)
        return body + _told(answer.label, probability, answer.topics, self.encoding) + end

    def _csv_text(self, row: str) -> str:
        cells = csv_cells(row, self.form)
        if len(cells) != len(self.cells):
            raise BadRowError(f"{len(cells)} cells, where the header has {len(self.cells)}")
        return cells[self.cells.index(self.text_field)]

    def _csv_row(self, data: bytes, answer: Labelled) -> bytes:
        probability = "" if answer.probability is None else round(answer.probability, 4)
        return self._with_cells(data, (answer.label, probability, " ".join(answer.topics)))

    def _with_cells(self, data: bytes, cells: tuple[object, ...]) -> bytes:
        added = io.StringIO()
        csv.writer(added, delimiter=DELIMITERS[self.form], lineterminator="").writerow(("", *cells))
        end = b"\r\n" if self.header.endswith(b"\r\n") else b"\n"
        return data.rstrip(b"\r\n") + added.getvalue().encode(self.encoding) + end

    def first_line(self) -> bytes:
        """Return what the labelled file begins with: the header and the new names, or nothing."""
        return self._with_cells(self.header, ADDED) if self.header else b""


def decoded(row: Record, encoding: str) -> str:
    """Return what a row says; a byte order mark at the file's start is no part of it."""
    if row.size > ROW_LIMIT:
        raise BadRowError(f"{row.size:,} bytes, over the limit of {ROW_LIMIT:,} a row")
    data = row.data if row.offset else row.data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper()
        raise BadRowError(
            f"not {name}: byte {error.start + 1} of the row is 0x{data[error.start]:02x}"
        ) from None


def csv_cells(row: str, form: str) -> list[str]:
    """Return the cells of a row of CSV or TSV."""
    if not row.strip("\r\n"):
        raise BadRowError("an empty line")
    csv.field_size_limit(ROW_LIMIT)  # the module's own limit is 131,072 characters
    try:
        return next(csv.reader([row], delimiter=DELIMITERS[form], strict=True))
    except csv.Error as error:
        raise BadRowError(f"not {form.upper()}: {error}") from None


def check_columns(file: str, columns: Sequence[str], text_field: str) -> None:
    """Raise BulkError where a table has no column of text, or has the new columns already."""
    told = ", ".join(columns)
    if columns.count(text_field) != 1:
        how_many = "more than one column" if text_field in columns else "no column"
        raise BulkError(f"{file}: has {how_many} {text_field!r}; name one of: {told:.200}")
    for name in ADDED:
        if name in columns:
            raise BulkError(f"{file}: has a column {name!r} already; rename it")


def excerpt(data: bytes, encoding: str) -> str:
    """Return the beginning of a row, for people to recognise it by."""
    return data[:240].decode(encoding, "replace").rstrip("\r\n")[:60]


_ADDED = frozenset(ADDED)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise BadRowError(f"field {twice!r:.60} stands twice in an object")
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise BadRowError(f"not JSON: {name}")


_DECODER = json.JSONDecoder(  # integers of any length; no value but strings is used
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=float
)


def _json_value(written: str) -> Any:
    try:  # what `decode` does besides takes as long again
        value, end = _DECODER.scan_once(written, 0)  # type: ignore[attr-defined]
    except StopIteration:
        end = -1
    return value if end == len(written) else _DECODER.decode(written)


@functools.lru_cache(maxsize=65_536)
def _told(
    label: str | None, probability: float | None, topics: tuple[str, ...], encoding: str
) -> bytes:
    """Return what a row of JSON is given before its end, and that end."""
    as_json = json.dumps(
        dict(zip(ADDED, (label, probability, topics), strict=True)), ensure_ascii=False
    )
    return f", {as_json[1:]}".encode(encoding)
