"""Files found, surveyed and cut into shards, and shards read by themselves."""

import hashlib
import io
import json
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanmu.rows import BulkError, batches
from lanmu.shards import Source, form_of, opened, packed, sources, survey


def pack(data, packing):
    out = io.BytesIO()
    with packed(out, packing) as packing_out:
        packing_out.write(data)
    return out.getvalue()


PACKINGS = ["", ".gz", ".zst"]


def surveyed(file, size=100, **settings):
    return survey(
        Source.of(file), **{"text_field": "text", "encoding": "utf-8"} | settings, size=size
    )


def rows_of(shard):
    """Return the rows of one shard, read by itself."""
    source = shard.source
    with opened(shard) as stream:
        end = shard.start + shard.size
        parts = batches(stream, source.form, shard.start, shard.line, end)
        return [row for part in parts for row in part.records()]


def write_rows(file, n=60, packing=""):
    lines = [json.dumps({"id": i, "text": "热" * (i % 20)}) + "\n" for i in range(n)]
    data = "".join(lines).encode()
    file.write_bytes(pack(data, packing))
    return data


@pytest.mark.parametrize("packing", PACKINGS)
def test_shards_hold_each_row_once_and_in_order(tmp_path, packing):
    file = tmp_path / f"news.jsonl{packing}"
    data = write_rows(file, packing=packing)
    found = surveyed(file)
    assert len(found.shards) > 10
    assert [shard.number for shard in found.shards] == list(range(len(found.shards)))
    rows = [rows_of(shard) for shard in found.shards]
    assert b"".join(row.data + b"\n" for part in rows for row in part) == data
    assert [len(part) for part in rows] == [shard.n_rows for shard in found.shards]
    assert [row.line for part in rows for row in part] == list(range(1, 61))
    assert all(100 <= shard.size < 300 for shard in found.shards[:-1])
    assert found.digest == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("packing", PACKINGS)
def test_shards_can_be_read_in_any_order(tmp_path, packing):
    file = tmp_path / f"news.jsonl{packing}"
    data = write_rows(file, packing=packing)
    shards = list(surveyed(file).shards)
    random.Random(0).shuffle(shards)
    rows = [row for shard in shards for row in rows_of(shard)]
    assert b"".join(row.data + b"\n" for row in sorted(rows)) == data


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_file_that_took_the_place_of_another_is_read_anew(tmp_path, packing):
    file = tmp_path / f"news.jsonl{packing}"
    write_rows(file, packing=packing)
    rows_of(surveyed(file).shards[0])
    data = write_rows(file, n=70, packing=packing).replace(b"id", b"no")
    file.write_bytes(pack(data, packing))
    shard = surveyed(file).shards[1]
    rows = b"".join(row.data + b"\n" for row in rows_of(shard))
    assert rows == data[shard.start : shard.start + shard.size]


def test_a_reader_that_fails_leaves_nothing_behind_for_the_next(tmp_path):
    file = tmp_path / "news.jsonl.gz"
    write_rows(file, packing=".gz")
    first, second, *_ = surveyed(file).shards
    with pytest.raises(ZeroDivisionError), opened(first) as stream:
        len(stream.read(7)) / 0
    assert rows_of(second)[0].line == second.line


def test_files_of_several_members_are_read_to_the_end(tmp_path):
    for packing in PACKINGS:
        file = tmp_path / f"news.jsonl{packing}"
        file.write_bytes(
            b"".join(pack(row, packing) for row in (b'{"text": "a"}\n', b'{"text": "b"}\n'))
        )
        (shard,) = surveyed(file).shards
        assert [row.data for row in rows_of(shard)] == [b'{"text": "a"}', b'{"text": "b"}']


@given(st.lists(st.binary(max_size=30)), st.integers(1, 50))
def test_any_bytes_are_cut_without_loss(tmp_path_factory, parts, size):
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    data = b"\n".join(parts)
    file.write_bytes(data)
    shards = surveyed(file, size).shards
    rows = [row for shard in shards for row in rows_of(shard)]
    written = [data[row.offset : row.offset + row.size] for row in rows]
    assert b"".join(written) == data
    assert [row.data for row in rows] == [row.removesuffix(b"\n") for row in written]
    assert sum(shard.n_rows for shard in shards) == data.count(b"\n") + (
        not data.endswith(b"\n")
    ) * bool(data)


def test_a_header_is_in_no_shard(tmp_path):
    file = tmp_path / "news.csv"
    file.write_text('id,"te\nxt"\n1,a\n2,b\n', encoding="utf-8")
    found = surveyed(file, text_field="te\nxt")
    (shard,) = found.shards
    assert (shard.line, shard.start, shard.n_rows) == (3, 11, 2)
    assert found.layout.cells == ("id", "te\nxt")
    assert found.layout.header == b'id,"te\nxt"\n'


def test_files_without_rows_have_no_shard(tmp_path):
    (tmp_path / "news.jsonl").touch()
    (tmp_path / "news.csv").write_text("id,text\n", encoding="utf-8")
    assert surveyed(tmp_path / "news.jsonl").shards == ()
    assert surveyed(tmp_path / "news.csv").shards == ()
    (tmp_path / "news.csv").write_text("", encoding="utf-8")
    with pytest.raises(BulkError, match=r"news\.csv: is empty; it needs a header"):
        surveyed(tmp_path / "news.csv")
    (tmp_path / "news.csv").write_bytes(b"\xff\xfet\0")
    with pytest.raises(BulkError, match=r"news\.csv: its header is not UTF-8: byte 1"):
        surveyed(tmp_path / "news.csv")


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_damaged_files_are_refused_by_name(tmp_path, packing):
    file = tmp_path / f"news.jsonl{packing}"
    write_rows(file, 5000, packing)
    whole = file.read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0xFF
    for data in (b"{}\n", bytes(broken)):
        file.write_bytes(data)
        with pytest.raises(BulkError, match=rf"news\.jsonl{packing}: is damaged"):
            surveyed(file)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_that_breaks_off_is_refused(tmp_path, packing):
    file = tmp_path / f"news.jsonl{packing}"
    write_rows(file, 5000, packing)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BulkError, match="is damaged"):
        surveyed(file)


def test_a_change_while_it_is_labelled_is_found(tmp_path):
    file = tmp_path / "news.jsonl"
    write_rows(file)
    source = Source.of(file)
    source.check_unchanged()
    with file.open("a") as out:
        out.write("{}\n")
    with pytest.raises(BulkError, match=r"news\.jsonl: changed while it was being labelled"):
        source.check_unchanged()


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("a.jsonl", ("jsonl", "")),
        ("a.b.ndjson", ("jsonl", "")),
        ("a.jsonl.gz", ("jsonl", ".gz")),
        ("a.csv.zst", ("csv", ".zst")),
        ("a/b.tsv", ("tsv", "")),
        ("a.parquet", ("parquet", "")),
    ],
)
def test_the_name_tells_the_form(file, form):
    assert form_of(file) == form


@pytest.mark.parametrize(
    "file", ["a", "a.txt", "a.json", "a.gz", "a.parquet.gz", ".jsonl", "jsonl"]
)
def test_other_names_are_refused(file):
    with pytest.raises(BulkError, match=rf"^{file}: its name must end with \.jsonl"):
        form_of(file)


def test_folders_give_their_files_of_the_form_by_path(tmp_path):
    for name in ("b/2.jsonl", "a.jsonl.gz", "b/1.csv", "b/1.ndjson", "readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = sources([tmp_path], "jsonl")
    assert [Path(source.file).relative_to(tmp_path).as_posix() for source in found] == [
        "a.jsonl.gz",
        "b/1.ndjson",
        "b/2.jsonl",
    ]
    with pytest.raises(BulkError, match="has no parquet file"):
        sources([tmp_path], "parquet")
    with pytest.raises(BulkError, match=r"2\.jsonl: is given twice"):
        sources([tmp_path, tmp_path / "b" / "2.jsonl"], "jsonl")
    with pytest.raises(BulkError, match=r"its rows are csv, and can't become jsonl.*with \.csv"):
        sources([tmp_path / "b" / "1.csv"], "jsonl")
    with pytest.raises(FileNotFoundError):
        sources([tmp_path / "none.jsonl"], "jsonl")


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed_files_can_be_joined_and_are_the_same_each_time(tmp_path, packing):
    parts = []
    for name, text in (("1", b"a\n"), ("2", b"b\n"), ("3", b"a\n")):
        with (tmp_path / name).open("wb") as file, packed(file, packing) as out:
            out.write(text)
        parts.append((tmp_path / name).read_bytes())
    assert parts[0] == parts[2]
    file = tmp_path / f"joined.jsonl{packing}"
    file.write_bytes(b"".join(parts))
    (shard,) = surveyed(file).shards
    assert [row.data for row in rows_of(shard)] == [b"a", b"b", b"a"]


def test_without_zstd_the_extra_is_named(tmp_path, monkeypatch):
    file = tmp_path / "news.jsonl.zst"
    write_rows(file, packing=".zst")
    for module in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BulkError, match=r"pip install 'lanmu\[zst\]'"):
        surveyed(file)
