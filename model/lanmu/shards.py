"""Files to label, cut into shards that are read each by itself.

A shard of JSONL, CSV or TSV is a range of whole rows, in bytes of the unpacked file; a shard of
Parquet (`lanmu.parquet`) is a row group. How a file is cut depends on its content and the size of
shards alone, so that a run can be taken up with more workers or fewer.
"""

import gzip
import hashlib
import io
import sys
import threading
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lanmu.rows import (
    BadRowError,
    BulkError,
    Layout,
    check_columns,
    csv_cells,
    csv_records,
    decoded,
)

SHARD_SIZE = 1 << 23
"""How many bytes of rows make a shard: a second or two of work, which is what a crash can cost."""

_ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
_PACKINGS = (".gz", ".zst")
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file to label: `file` as its user named it, its absolute path, and what it is.

    `size` (bytes) and `modified` (nanoseconds) tell whether it has changed since it was surveyed.
    """

    file: str
    path: str
    form: str
    packing: str
    size: int
    modified: int

    @classmethod
    def of(cls, file: str | Path) -> "Source":
        """Describe a file by its name and its state."""
        path = Path(file).resolve()
        state = path.stat()
        return cls(str(file), str(path), *form_of(file), state.st_size, state.st_mtime_ns)

    def check_unchanged(self) -> None:
        """Raise BulkError where the file is not as it was when it was surveyed."""
        state = Path(self.path).stat()
        if (state.st_size, state.st_mtime_ns) != (self.size, self.modified):
            raise BulkError(f"{self.file}: changed while it was being labelled; begin anew")


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a file: `n_rows` rows from `start`, of `size` bytes; `line` is the first one's.

    Of a Parquet file, `start` is the number of the row group, and rows count as lines.
    """

    number: int
    source: Source
    start: int
    size: int
    line: int
    n_rows: int


def form_of(file: str | Path) -> tuple[str, str]:
    """Return the form of the rows and the packing of a file, by its name.

    >>> form_of("news.jsonl.gz")
    ('jsonl', '.gz')
    """
    path = Path(file)
    packing = path.suffix if path.suffix in _PACKINGS else ""
    form = _ENDINGS.get(Path(path.stem).suffix if packing else path.suffix)
    if form is None or (packing and form == "parquet"):
        raise BulkError(
            f"{file}: its name must end with {', '.join(_ENDINGS)}, "
            "or for other files than Parquet with .gz or .zst after that"
        )
    return form, packing


def sources(inputs: list[str | Path], form: str) -> list[Source]:
    """Return the files named, and of each folder all files of one form, in order of their paths.

    Raises
    ------
    BulkError
        A file is of another form, a folder has none, or a file comes twice.
    OSError
        A file is not there.
    """
    found: dict[str, Source] = {}
    for given in inputs:
        path = Path(given)
        files = [path]
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if _is_of(file, form)]
            if not files:
                raise BulkError(f"{given}: has no {form} file")
        for file in files:
            source = Source.of(file)
            if source.form != form:
                raise BulkError(
                    f"{file}: its rows are {source.form}, and can't become {form}; "
                    f"name an output that ends with .{source.form}"
                )
            if found.setdefault(source.path, source) is not source:
                raise BulkError(f"{file}: is given twice")
    return list(found.values())


def _is_of(file: Path, form: str) -> bool:
    try:
        return form_of(file)[0] == form and file.is_file()
    except BulkError:
        return False


@dataclass(frozen=True, slots=True)
class Survey:
    """What reading a file once told: the SHA-256 of its bytes, its layout and its shards."""

    digest: str
    layout: Layout
    shards: tuple[Shard, ...]


def survey(
    source: Source, text_field: str, encoding: str, size: int = SHARD_SIZE, first: int = 0
) -> Survey:
    """Read a file of lines once; cut it into shards of `size` bytes or more, from number `first`.

    Raises
    ------
    BulkError
        The file is damaged, or its columns can't be used.
    OSError
        The file can't be read.
    """
    layout = Layout(source.form, text_field, encoding)
    with Path(source.path).open("rb") as file:
        zstd_errors = (_zstd().ZstdError,) if source.packing == ".zst" else ()
        hashing = _Hashing(file)
        stream = _unpacked(io.BufferedReader(hashing, _BUFFER), source.packing)
        cut = _cut_lines if source.form == "jsonl" else _cut_rows
        try:
            layout, shards = cut(stream, source, layout, size, first)
        except (EOFError, zlib.error, gzip.BadGzipFile, *zstd_errors) as error:
            raise BulkError(f"{source.file}: is damaged: {error}") from error
        while hashing.read(_BUFFER):  # what an unpacker leaves unread
            pass
        return Survey(hashing.sha256.hexdigest(), layout, shards)


def _cut_lines(
    stream: Any, source: Source, layout: Layout, size: int, first: int
) -> tuple[Layout, tuple[Shard, ...]]:
    """Cut where a line ends; a row is a line, so that newlines are counted and no row is held."""
    shards: list[Shard] = []
    start = offset = n_rows = 0
    line, ends_line = 1, True
    while chunk := stream.read(_BUFFER):
        counted = 0
        while end := chunk.find(b"\n", max(counted, start + size - 1 - offset)) + 1:
            n_rows += chunk.count(b"\n", counted, end)
            number, counted = first + len(shards), end
            shards.append(Shard(number, source, start, offset + end - start, line, n_rows))
            start, line, n_rows = offset + end, line + n_rows, 0
        n_rows += chunk.count(b"\n", counted)
        offset += len(chunk)
        ends_line = chunk.endswith(b"\n")
    if offset > start:
        n_rows += not ends_line
        shards.append(Shard(first + len(shards), source, start, offset - start, line, n_rows))
    return layout, tuple(shards)


def _cut_rows(
    stream: Any, source: Source, layout: Layout, size: int, first: int
) -> tuple[Layout, tuple[Shard, ...]]:
    shards: list[Shard] = []
    layout, offset, line = _after_header(stream, source, layout)
    start, start_line, n_rows = offset, line, 0

    def cut() -> None:
        number = first + len(shards)
        shards.append(Shard(number, source, start, offset - start, start_line, n_rows))

    for record in csv_records(stream, source.form, offset, line):
        if offset - start >= size:
            cut()
            start, start_line, n_rows = offset, record.line, 0
        offset = record.offset + record.size
        n_rows += 1
    if n_rows:
        cut()
    return layout, tuple(shards)


def _after_header(stream: Any, source: Source, layout: Layout) -> tuple[Layout, int, int]:
    """Read a header; return the layout, and the offset and the line of the row after it."""
    header = next(csv_records(stream, source.form, 0, 1), None)
    if header is None:
        raise BulkError(f"{source.file}: is empty; it needs a header")
    try:
        cells = csv_cells(decoded(header, layout.encoding), source.form)
    except BadRowError as error:
        raise BulkError(f"{source.file}: its header is {error}") from error
    check_columns(source.file, cells, layout.text_field)
    layout = Layout(source.form, layout.text_field, layout.encoding, header.data, tuple(cells))
    return layout, header.size, 1 + header.data.count(b"\n")


class _Hashing(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.sha256.update(memoryview(buffer)[:n])
        return int(n)


@contextmanager
def opened(shard: Shard) -> Iterator[Any]:
    """Open the file of a shard where the shard begins.

    A packed file can be read from its start alone: each thread keeps the one that it read last
    open, and goes on in it to a later shard.
    """
    if not shard.source.packing:
        with Path(shard.source.path).open("rb", buffering=_BUFFER) as file:
            file.seek(shard.start)
            yield file
        return
    source, stream, at = getattr(_kept, "reading", _NOTHING)
    if source != shard.source or at > shard.start:
        file = Path(shard.source.path).open("rb")  # noqa: SIM115 - closed with the stream
        stream, at = _unpacked(file, shard.source.packing), 0
        weakref.finalize(stream, file.close)
    _kept.reading = _NOTHING
    while at < shard.start and (skipped := len(stream.read(min(_BUFFER, shard.start - at)))):
        at += skipped
    yield stream
    _kept.reading = (shard.source, stream, shard.start + shard.size)


_NOTHING: tuple[Source | None, Any, int] = (None, None, 0)
_kept = threading.local()


def _unpacked(file: Any, packing: str) -> Any:
    """Return the stream of what a file holds."""
    if packing == ".gz":
        return io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER)
    if packing == ".zst":
        return io.BufferedReader(_zstd().ZstdFile(file), _BUFFER)
    return file


@contextmanager
def packed(file: BinaryIO, packing: str) -> Iterator[Any]:
    """Pack what is written to a file, always the same way; files packed so can be joined."""
    if packing == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as out:
            yield out
    elif packing == ".zst":
        zstd = _zstd()
        options = {zstd.CompressionParameter.checksum_flag: 1}
        with zstd.ZstdFile(file, "wb", options=options) as out:
            yield out
    else:
        yield file


def _zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - slower to import than most runs need
        else:
            from backports import zstd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise BulkError(".zst files take another package: pip install 'lanmu[zst]'") from error
    return zstd
