"""Parquet files: row groups labelled by themselves and put together again."""

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanmu import load_model
from lanmu.bulk import label_files
from lanmu.parquet import survey
from lanmu.rows import ROW_LIMIT, BulkError
from lanmu.shards import Source

TEXTS = ["换热站昨夜试水", "湿地飞来一群候鸟", None, "", "养老院添了护理员"]
"""The heat station was tried with water; migrant birds; none; nothing; the home takes on carers."""


@pytest.fixture
def table():
    n = 40
    return pa.table(
        {
            "id": pa.array(range(n), pa.int16()),
            "text": [TEXTS[i % 5] for i in range(n)],
            "day": pa.array(
                [i * 86_400_000 if i % 3 else None for i in range(n)],
                pa.timestamp("ms", "Asia/Shanghai"),
            ),
            "tags": [["a", None], [], None, ["b"]] * 10,
            "kind": pa.array(["news", "letter"] * 20).dictionary_encode(),
        }
    ).replace_schema_metadata({"source": "archive"})


@pytest.fixture
def news(tmp_path, table):
    file = tmp_path / "news.parquet"
    pq.write_table(table, file, row_group_size=7)
    return file


def test_columns_stay_as_they_are_and_three_are_added(tmp_path, news, table):
    labelled = tmp_path / "labelled.parquet"
    totals = label_files([news], labelled)
    assert (totals.rows, totals.labelled, totals.rejected) == (40, 32, 8)
    found = pq.read_table(labelled)
    kept = table.filter(pa.compute.is_valid(table["text"]))
    assert found.select(table.column_names).equals(kept)
    assert found.schema.metadata[b"source"] == b"archive"
    assert [str(found.schema.field(name).type) for name in ("label", "probability", "topics")] == [
        "string",
        "double",
        "list<element: string>",
    ]
    for text, label, probability, topics in zip(
        *(found[name].to_pylist() for name in ("text", "label", "probability", "topics")),
        strict=True,
    ):
        (answer,) = load_model().label([text])
        assert (label, tuple(topics)) == (answer.label, answer.topics)
        assert probability == (None if answer.probability is None else round(answer.probability, 4))


def test_each_row_group_is_a_shard(news):
    shards = survey(Source.of(news), "text", 5).shards
    assert [(shard.number, shard.start, shard.line, shard.n_rows) for shard in shards] == [
        (5, 0, 1, 7), (6, 1, 8, 7), (7, 2, 15, 7), (8, 3, 22, 7), (9, 4, 29, 7), (10, 5, 36, 5),
    ]  # fmt: skip


def test_rejected_rows_have_their_number_in_the_file(tmp_path, news):
    labelled = tmp_path / "labelled.parquet"
    label_files([news], labelled)
    rejects = (tmp_path / "labelled.parquet.rejected.jsonl").read_text(encoding="utf-8")
    assert rejects.splitlines()[1] == (
        f'{{"file": "{news}", "line": 8, "offset": null, '
        '"reason": "field \'text\' is null, no string", "excerpt": ""}'
    )
    assert rejects.count("\n") == 8


def test_texts_over_the_limit_or_not_utf8_are_rejected(tmp_path):
    values = [b"\xe7\x83\xad", b"x" * (ROW_LIMIT + 1), b"\xe7\x83", b"x" * ROW_LIMIT]
    raw = pa.array(values, pa.binary())
    column = pa.StringArray.from_buffers(4, raw.buffers()[1], raw.buffers()[2])
    news, labelled = tmp_path / "news.parquet", tmp_path / "labelled.parquet"
    pq.write_table(pa.table({"text": column}), news)
    totals = label_files([news], labelled)
    assert (totals.labelled, totals.rejected) == (2, 2)
    rejects = (tmp_path / "labelled.parquet.rejected.jsonl").read_text(encoding="utf-8")
    assert '"line": 2, "offset": null, "reason": "2,000,001 bytes, over the limit' in rejects
    assert (
        '"line": 3, "offset": null, "reason": "not UTF-8: byte 1 of the text", "excerpt": "�"'
        in rejects
    )


def test_files_are_joined_in_order(tmp_path, news, table):
    more, labelled = tmp_path / "more.parquet", tmp_path / "labelled.parquet"
    pq.write_table(table.slice(0, 2), more)
    assert label_files([more, news], labelled).rows == 42
    assert pq.read_table(labelled)["id"].to_pylist()[:4] == [0, 1, 0, 1]
    pq.write_table(table.select(["text"]), more)
    with pytest.raises(BulkError, match=r"more\.parquet: has the columns text: .*news"):
        label_files([news, more], labelled)


def test_columns_that_may_and_may_not_be_null_are_not_joined(tmp_path):
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file, nullable in zip(files, (True, False), strict=True):
        schema = pa.schema([pa.field("text", pa.string(), nullable)])
        pq.write_table(pa.table({"text": ["暖气"]}, schema), file)
        assert label_files([file], tmp_path / f"labelled-{file.name}").labelled == 1
    with pytest.raises(BulkError, match=r"has the columns text: string not null, but .* has"):
        label_files(files, tmp_path / "labelled.parquet")
    assert not (tmp_path / "labelled.parquet.unfinished").exists()


def test_a_damaged_page_is_told_with_the_file_that_has_it(tmp_path, news):
    data = bytearray(news.read_bytes())
    data[20:200] = bytes(180)
    news.write_bytes(data)
    with pytest.raises(BulkError, match=r"news\.parquet: is damaged: "):
        label_files([news], tmp_path / "labelled.parquet")


def test_a_file_without_rows_gives_one(tmp_path, table):
    news, labelled = tmp_path / "news.parquet", tmp_path / "labelled.parquet"
    pq.write_table(table.slice(0, 0), news)
    assert label_files([news], labelled).rows == 0
    assert pq.read_schema(labelled).names == [*table.column_names, "label", "probability", "topics"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"body": ["x"]}, "has no column 'text'; name one of: body"),
        ({"text": [1]}, "column 'text' is int64, no string; name another"),
        ({"text": ["x"], "label": ["y"]}, "has a column 'label' already; rename it"),
    ],
)
def test_columns_that_cannot_be_labelled_are_refused(tmp_path, columns, said):
    file = tmp_path / "news.parquet"
    pq.write_table(pa.table(columns), file)
    with pytest.raises(BulkError, match=rf"news\.parquet: {said}"):
        survey(Source.of(file), "text", 0)


def test_what_is_no_parquet_file_is_refused(tmp_path):
    file = tmp_path / "news.parquet"
    file.write_bytes(b"PAR1 not at all")
    with pytest.raises(BulkError, match=r"news\.parquet: can't be read as Parquet"):
        survey(Source.of(file), "text", 0)


def test_without_pyarrow_the_extra_is_named(news, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BulkError, match=r"pip install 'lanmu\[parquet\]'"):
        survey(Source.of(news), "text", 0)
