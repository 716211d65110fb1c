r"""Rows of JSONL, CSV and TSV: found in bytes, read for their text, written with an answer more.

A row that is written is, byte for byte, the row that was read, with the new fields put in before
its end: numbers, escapes, quotes and line ends of the other fields stay as they are.

    {"id": 1.0, "text": "停暖"}
    {"id": 1.0, "text": "停暖", "label": "heating", "probability": 0.97, "topics": ["heating"]}
"""

import csv
import functools
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple, NoReturn, Protocol

from lanmu.errors import LanmuError
from lanmu.topic_model import LabelColumns

ROW_LIMIT = 2_000_000
"""The most bytes a row may have; labelling a text as long as that takes some 200 MB of memory."""

ADDED = ("label", "probability", "topics")
"""The fields that a labelled row has more."""

DELIMITERS = {"csv": ",", "tsv": "\t"}

_BATCH = 1 << 20  # bytes of rows that are read at a time
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


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that follow each other in a file, each without the newline at its end.

    `line`, `offset` and `size` are as of one record. A row of more than `ROW_LIMIT` bytes is alone
    in its batch, and only its beginning is there.
    """

    offset: int
    line: int
    size: int
    rows: list[bytes]

    def records(self) -> Iterator[Record]:
        """Yield each row with where it stands."""
        offset, line, end = self.offset, self.line, self.offset + self.size
        for i, row in enumerate(self.rows, 1):
            size = len(row) + 1 if i < len(self.rows) else end - offset
            yield Record(offset, line, size, row)
            offset += size
            line += 1 + row.count(b"\n")


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes: ...  # noqa: D102
    def readline(self, size: int, /) -> bytes: ...  # noqa: D102


def batches(stream: Readable, form: str, offset: int, line: int, end: int) -> Iterator[Batch]:
    r"""Yield the rows from where a stream stands, at `offset`, to `end`, some megabyte at a time.

    >>> from io import BytesIO
    >>> next(batches(BytesIO(b'{"id": 1}\n{"id": 2}\n'), "jsonl", 0, 1, 20)).rows
    [b'{"id": 1}', b'{"id": 2}']
    """
    if form == "jsonl":
        return _batches_of_lines(stream, offset, line, end)
    return _batches_of_records(csv_records(stream, form, offset, line, end))


def _batches_of_lines(stream: Readable, offset: int, line: int, end: int) -> Iterator[Batch]:
    while data := stream.read(min(_BATCH, end - offset)):
        if not data.endswith(b"\n"):
            data += stream.readline(ROW_LIMIT + 1)
        last = data.rfind(b"\n", 0, -1) + 1
        if long := len(data) - last > ROW_LIMIT:
            data, beginning = data[:last], data[last:]
        if data:
            rows = data.removesuffix(b"\n").split(b"\n")
            yield Batch(offset, line, len(data), rows)
            offset += len(data)
            line += len(rows)
        if long:
            size = len(beginning) + _skipped(stream, beginning)
            yield Batch(offset, line, size, [beginning])
            offset += size
            line += 1


def _skipped(stream: Readable, data: bytes) -> int:
    """Read on to the end of the line that some data ends in; return how many bytes that takes."""
    size = 0
    while data and not data.endswith(b"\n"):
        data = stream.readline(_BATCH)
        size += len(data)
    return size


def _batches_of_records(records: Iterator[Record]) -> Iterator[Batch]:
    held: list[Record] = []
    size = 0
    for record in records:
        if held and size + record.size > _BATCH:
            yield _batch(held, size)
            held, size = [], 0
        held.append(record)
        size += record.size
    if held:
        yield _batch(held, size)


def _batch(records: Sequence[Record], size: int) -> Batch:
    rows = [record.data.removesuffix(b"\n") for record in records]
    return Batch(records[0].offset, records[0].line, size, rows)


def csv_records(
    stream: Readable, form: str, offset: int, line: int, end: int | None = None
) -> Iterator[Record]:
    r"""Yield the rows of CSV or TSV from where a stream stands, at `offset`, to `end` or the last.

    >>> from io import BytesIO
    >>> [record.line for record in csv_records(BytesIO(b'a,b\n"1\n2",3\n4,5\n'), "csv", 0, 1)]
    [1, 2, 4]
    """
    delimiter = DELIMITERS[form]
    lines = _lines(stream, offset, line, end)
    for first in lines:
        parts, size = [first.data], first.size
        is_open = _leaves_cell_open(first.data, delimiter, False)
        while is_open and size <= ROW_LIMIT and (following := next(lines, None)):
            parts.append(following.data)
            size += following.size
            is_open = _leaves_cell_open(following.data, delimiter, True)
        yield Record(first.offset, first.line, size, b"".join(parts)[: ROW_LIMIT + 1])


def _lines(stream: Readable, offset: int, line: int, end: int | None) -> Iterator[Record]:
    while (end is None or offset < end) and (data := stream.readline(ROW_LIMIT + 1)):
        size = len(data) + _skipped(stream, data)
        yield Record(offset, line, size, data)
        offset += size
        line += 1


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


_Answered = tuple[bytes, str | None, float | None, tuple[str, ...]]
"""A row, and the label, probability and topics to write into it."""


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

    def read(
        self, batch: Batch
    ) -> tuple[Sequence[bytes], list[str], list[tuple[Record, BadRowError]]]:
        """Return the rows to label, their texts, and the rows that can't be labelled, with why."""
        if batch.size > ROW_LIMIT and len(batch.rows) == 1:
            return [], [], [(next(batch.records()), _too_long(batch.size, batch.rows[0]))]
        text_of = self._json_text if self.form == "jsonl" else self._csv_text
        good = batch.rows
        if not batch.offset:
            good = [good[0].removeprefix(_mark(self.encoding)), *good[1:]]
        texts: list[str] = []
        bad: dict[int, BadRowError] = {}
        for i, row in enumerate(good):
            try:
                texts.append(text_of(row.decode(self.encoding)))
            except BadRowError as error:
                bad[i] = error
            except UnicodeDecodeError as error:
                bad[i] = _undecodable(error)
        if not bad:
            return good, texts, []
        good = [row for i, row in enumerate(good) if i not in bad]
        return good, texts, [(row, bad[i]) for i, row in enumerate(batch.records()) if i in bad]

    def labelled(self, rows: Sequence[bytes], answers: LabelColumns) -> bytes:
        """Return the bytes of rows with their answers."""
        probabilities = [None if isnan(p) else p for p in answers.probability.round(4).tolist()]
        told = zip(rows, answers.label, probabilities, answers.topics, strict=True)
        return self._json_rows(told) if self.form == "jsonl" else self._csv_rows(told)

    def _json_text(self, line: str) -> str:
        try:
            row = _json_value(line)
        except json.JSONDecodeError as error:
            if not line.strip(" \t\v\f\r"):
                raise BadRowError("an empty line") from None
            raise BadRowError(f"not JSON: {error.msg} (character {error.pos + 1})") from None
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

    def _json_rows(self, told: Iterable[_Answered]) -> bytes:
        parts: list[bytes] = []
        for row, label, probability, topics in told:
            body, _, blanks = row.rpartition(b"}")
            parts += (body, _ending(label, probability, topics, self.encoding), blanks, b"\n")
        return b"".join(parts)

    def _csv_text(self, row: str) -> str:
        cells = csv_cells(row, self.form)
        if len(cells) != len(self.cells):
            raise BadRowError(f"{len(cells)} cells, where the header has {len(self.cells)}")
        return cells[self.cells.index(self.text_field)]

    def _csv_rows(self, told: Iterable[_Answered]) -> bytes:
        return b"".join(
            self._with_cells(row, (label, probability, " ".join(topics)))
            for row, label, probability, topics in told
        )

    def _with_cells(self, data: bytes, cells: tuple[object, ...]) -> bytes:
        added = io.StringIO()
        csv.writer(added, delimiter=DELIMITERS[self.form], lineterminator="").writerow(("", *cells))
        end = b"\r\n" if data.endswith((b"\r", b"\r\n")) else b"\n"
        return data.rstrip(b"\r\n") + added.getvalue().encode(self.encoding) + end

    def first_line(self) -> bytes:
        """Return what the labelled file begins with: the header and the new names, or nothing."""
        return self._with_cells(self.header, ADDED) if self.header else b""


def decoded(row: Record, encoding: str) -> str:
    """Return what a row says; a byte order mark at the file's start is no part of it."""
    if row.size > ROW_LIMIT:
        raise _too_long(row.size, row.data)
    data = row.data if row.offset else row.data.removeprefix(_mark(encoding))
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(error) from None


def _mark(encoding: str) -> bytes:
    """Return what a byte order mark is in an encoding."""
    return "\ufeff".encode(encoding)


def _too_long(size: int, data: bytes) -> BadRowError:
    lines = _lines_told(data.rstrip(b"\r\n").count(b"\n"))
    return BadRowError(f"{size:,} bytes, over the limit of {ROW_LIMIT:,} a row{lines}")


def _lines_told(n_newlines: int) -> str:
    return f" (it has {n_newlines + 1:,} lines: is a quote left open?)" if n_newlines else ""


def _undecodable(error: UnicodeDecodeError) -> BadRowError:
    byte = f"byte {error.start + 1} of the row is 0x{error.object[error.start]:02x}"
    return BadRowError(f"not {error.encoding.upper()}: {byte}")


def csv_cells(row: str, form: str) -> list[str]:
    """Return the cells of a row of CSV or TSV."""
    if not row.strip("\r\n"):
        raise BadRowError("an empty line")
    if csv.field_size_limit() < ROW_LIMIT:  # the module's own limit is 131,072 characters
        csv.field_size_limit(ROW_LIMIT)
    try:
        return next(csv.reader([row], delimiter=DELIMITERS[form], strict=True))
    except csv.Error as error:
        lines = _lines_told(row.rstrip("\r\n").count("\n"))
        raise BadRowError(f"not {form.upper()}: {error}{lines}") from None


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


def _decoder(**options: Any) -> json.JSONDecoder:
    """Return what reads integers of any length, as floats: no value but strings is used."""
    return json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float, **options)


_scan_once = _decoder().scan_once  # type: ignore[attr-defined]
_CHECKING = _decoder(object_pairs_hook=_object)
_DEPTH_LIMIT = 100  # which Python can read however deep its own stack is
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"|[][{}]')  # or a string, which may have some
_BLANK_COLON = re.compile(r":(?<=[ \t\r]:)")  # is searched for by the colon, the rarer one


def _json_value(written: str) -> Any:
    """Read JSON in which no object has a name twice, sooner where that is plain to see.

    Each name takes a colon. So there is none twice in an object that has as many names as there are
    colons, or as there are colons after a quote while none stands after a blank. Such an object has
    no other one in it but an empty one, so that only lists can make it deep.
    """
    try:
        value, end = _scan_once(written, 0)
    except (StopIteration, ValueError, RecursionError):  # which is told below
        value, end = None, 0
    is_plain = (
        type(value) is dict
        and (end == len(written) or not written[end:].strip(" \t\r"))
        and (
            written.count(":") == len(value)
            or (written.count('":') == len(value) and not _BLANK_COLON.search(written))
        )
    )
    if (not is_plain or "[" in written) and _depth(written) > _DEPTH_LIMIT:
        raise BadRowError(f"nested more than {_DEPTH_LIMIT} deep")
    return value if is_plain else _CHECKING.decode(written)


def _depth(written: str) -> int:
    """Return how deep JSON is nested, or a lower number where that is within the limit."""
    if written.count("[") + written.count("{") <= _DEPTH_LIMIT:
        return 0
    brackets = _BRACKET.findall(written)
    return max(itertools.accumulate((bracket in "[{") - (bracket in "]}") for bracket in brackets))


@functools.lru_cache(1 << 16)
def _ending(
    label: str | None, probability: float | None, topics: tuple[str, ...], encoding: str
) -> bytes:
    """Return what a row of JSON ends with, from the comma after its own fields on."""
    added = dict(zip(ADDED, (label, probability, topics), strict=True))
    return f", {json.dumps(added, ensure_ascii=False)[1:]}".encode(encoding)
