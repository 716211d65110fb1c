"""Row groups of Parquet files: measured, labelled, and put together again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lanmu.rows import ROW_LIMIT, BadRowError, BulkError, Layout, check_columns, excerpt
from lanmu.shards import Shard, Source, Survey
from lanmu.topic_model import LabelColumns

_BATCH = 1 << 22  # bytes held at a time
_ROW_GROUP = 1 << 26  # bytes of a row group of the output


def survey(source: Source, text_field: str, first: int) -> Survey:
    """Read the schema of a file; its row groups are its shards, numbered from `first`.

    Raises
    ------
    BulkError
        It is no Parquet file, or has no column of strings by that name.
    OSError
        The file can't be read.
    """
    pa, pq = _pyarrow()
    try:
        with pq.ParquetFile(source.path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    except pa.ArrowException as error:
        raise BulkError(f"{source.file}: can't be read as Parquet: {error}") from error
    check_columns(source.file, schema.names, text_field)
    kind = schema.field(text_field).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise BulkError(f"{source.file}: column {text_field!r} is {kind}, no string; name another")
    shards, row = [], 1
    for i, group in enumerate(groups):
        shards.append(Shard(first + i, source, i, group.total_byte_size, row, group.num_rows))
        row += group.num_rows
    with Path(source.path).open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    columns = tuple(
        f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in schema
    )
    return Survey(digest, Layout("parquet", text_field, "utf-8", cells=columns), tuple(shards))


def label_row_group(
    shard: Shard,
    text_field: str,
    label: Callable[[list[str]], LabelColumns],
    reject: Callable[[None, int, str, str], None],
    out: BinaryIO,
) -> int:
    """Write the labelled rows of a row group as an Arrow stream; return how many."""
    pa, pq = _pyarrow()
    labelled, row = 0, shard.line
    with pq.ParquetFile(shard.source.path, pre_buffer=False, buffer_size=1 << 20) as file:
        schema = _with_answers(file.schema_arrow)
        metadata = file.metadata.row_group(shard.start)
        n_rows = max(1, _BATCH * metadata.num_rows // max(1, metadata.total_byte_size))
        with pa.ipc.new_stream(out, schema) as stream:
            for batch in _batches(file, shard, min(n_rows, 1 << 14)):
                kept, texts = [], []
                for i, value in enumerate(batch.column(text_field)):
                    try:
                        texts.append(_text(value, text_field))
                        kept.append(i)
                    except BadRowError as error:
                        reject(None, row + i, str(error), _beginning(value))
                row += batch.num_rows
                labelled += len(kept)
                stream.write_batch(
                    _answered(batch.take(pa.array(kept, pa.int64())), label(texts), schema)
                )
    return labelled


def _batches(file: Any, shard: Shard, n_rows: int) -> Iterator[Any]:
    """Yield a row group, so many rows at a time."""
    pa, _ = _pyarrow()
    try:
        yield from file.iter_batches(n_rows, row_groups=[shard.start])
    except (pa.ArrowInvalid, OSError) as error:
        if getattr(error, "errno", None):  # the disk's trouble, not the file's
            raise
        raise BulkError(f"{shard.source.file}: is damaged: {error}") from error


def _text(value: Any, text_field: str) -> str:
    if not value.is_valid:
        raise BadRowError(f"field {text_field!r} is null, no string")
    size = value.as_buffer().size
    if size > ROW_LIMIT:
        raise BadRowError(f"{size:,} bytes, over the limit of {ROW_LIMIT:,} a row")
    try:
        return str(value.as_py())
    except UnicodeDecodeError as error:
        raise BadRowError(f"not UTF-8: byte {error.start + 1} of the text") from None


def _beginning(value: Any) -> str:
    return excerpt(value.as_buffer()[:240].to_pybytes(), "utf-8") if value.is_valid else ""


def _with_answers(schema: Any) -> Any:
    pa, _ = _pyarrow()
    for name, kind in (
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("topics", pa.list_(pa.string())),
    ):
        schema = schema.append(pa.field(name, kind))
    return schema


def _answered(batch: Any, answers: LabelColumns, schema: Any) -> Any:
    pa, _ = _pyarrow()
    columns = [
        pa.array(answers.label, pa.string()),
        pa.array(answers.probability.round(4), pa.float64(), from_pandas=True),  # nan to null
        pa.array(answers.topics, pa.list_(pa.string())),
    ]
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)


def join(parts: Iterable[Path], first_input: str, out: BinaryIO) -> None:
    """Write Arrow streams, one after the other, as one Parquet file."""
    pa, pq = _pyarrow()
    schema = _with_answers(pq.read_schema(first_input))
    with pq.ParquetWriter(out, schema) as writer:
        for part in parts:
            held: list[Any] = []
            with pa.OSFile(str(part)) as file, pa.ipc.open_stream(file) as batches:
                for batch in batches:
                    held.append(batch)
                    if sum(batch.nbytes for batch in held) >= _ROW_GROUP:
                        writer.write_table(pa.Table.from_batches(held, schema))
                        held = []
            if held:
                writer.write_table(pa.Table.from_batches(held, schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise BulkError("Parquet files take pyarrow: pip install 'lanmu[parquet]'") from error
    return pyarrow, pyarrow.parquet
