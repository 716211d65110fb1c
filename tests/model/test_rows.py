"""Rows found in bytes, read for their text, and written with nothing but the answer added."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanmu import load_model
from lanmu.bulk import label_files
from lanmu.rows import (
    ROW_LIMIT,
    BadRowError,
    Batch,
    BulkError,
    Layout,
    Record,
    batches,
    check_columns,
    csv_cells,
    csv_records,
    decoded,
)
from lanmu.topic_model import LabelColumns

BAD_ROWS = json.loads(
    (Path(__file__).parents[1] / "cases" / "bad_rows.json").read_text(encoding="utf-8")
)
KINDS = {
    "broken JSON", "NaN", "duplicate keys", "lone surrogates", "deep nesting", "wrong type",
    "missing field", "empty", "100 MB line", "NUL", "BOM", "UTF-16", "GB18030", "CRLF",
    "U+2028 inside a string", "trailing garbage",
}  # fmt: skip
ANSWER = LabelColumns(["heating"], np.array([0.98766]), [("heating", "ecology")])
NO_ANSWER = LabelColumns([None], np.array([np.nan]), [()])
TEXT = "换热站昨夜试水"  # the heat exchange station was tried with water last night


def jsonl(text_field="text", encoding="utf-8"):
    return Layout("jsonl", text_field, encoding)


def table(header, form="csv", encoding="utf-8", text_field="text"):
    record = Record(0, 1, len(header), header)
    cells = tuple(csv_cells(decoded(record, encoding), form))
    return Layout(form, text_field, encoding, header, cells)


def read(layout, row):
    """Return the text of a row somewhere in a file, or the reason why there is none."""
    return texts(layout, [row])[0]


def texts(layout, rows, offset=100):
    """Return the texts of rows somewhere in a file, or the reasons why there are none."""
    size = sum(map(len, rows))
    rows = [row.removesuffix(b"\n") for row in rows]
    good, found, bad = layout.read(Batch(offset, 2, size, rows))
    reasons = {(record.offset, record.data): why for record, why in bad}
    found = iter(zip(good, found, strict=True))
    at, told = offset, []
    for row in rows:
        if (at, row) in reasons:
            told.append(reasons[at, row])
        else:
            written, text = next(found)
            assert written == row
            told.append(text)
        at += len(row) + 1
    return told


def found(data, form, offset=0, line=1, end=None):
    end = offset + len(data) if end is None else end
    parts = batches(io.BytesIO(data), form, offset, line, end)
    return [record for part in parts for record in part.records()]


# bad rows among good ones


def bytes_of(case):
    row = case["row"]
    if isinstance(row, list):
        begin, repeated, times, end = row
        row = begin + repeated * times + end
    return row.encode(case.get("encoding", "utf-8"), "surrogatepass") + b"\n"


def test_there_are_cases_of_all_sixteen_kinds():
    assert {case["kind"] for case in BAD_ROWS["cases"]} > KINDS
    assert len(KINDS) == 16


@pytest.mark.parametrize(
    "case", BAD_ROWS["cases"], ids=lambda case: f"{case['kind']}: {case['comment']}"
)
def test_a_bad_row_is_rejected_and_the_good_ones_around_it_are_labelled(tmp_path, case):
    news, labelled = tmp_path / "news.jsonl", tmp_path / "labelled.jsonl"
    before, row, after = BAD_ROWS["before"].encode(), bytes_of(case), BAD_ROWS["after"].encode()
    if case.get("first"):
        before = b""
    news.write_bytes(before + row + after)
    totals = label_files([news], labelled)
    lines = labelled.read_bytes().split(b"\n")
    assert lines.pop() == b""
    good = [line for line in lines if line.startswith((b'{"id": 1,', b'{"id": 2,'))]
    assert [json.loads(line)["label"] for line in good] == ["heating", "ecology"][not before :]
    assert totals.rows == totals.labelled + totals.rejected == 2 + bool(before)
    rejects = tmp_path / "labelled.jsonl.rejected.jsonl"
    if "rejected" in case:
        (reject,) = rejects.read_text(encoding="utf-8").splitlines()
        where = {"file": str(news), "line": 1 + bool(before), "offset": len(before)}
        assert json.loads(reject) == where | case["rejected"]
        assert lines == good
    else:
        assert not rejects.exists()
        written = lines[bool(before)]
        assert written.startswith(case["labelled"].encode())
        assert written.endswith(
            b"}\r" if row.endswith(b"\r\n") else b"]}" + row[len(row.rstrip()) : -1]
        )


# JSONL


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    ),
    st.text(),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_a_written_row_is_the_row_that_was_read_with_the_answer(fields, text, indent, ascii_only):
    fields = {
        name: value for name, value in fields.items() if value not in (float("inf"), -float("inf"))
    }
    row = {**{f"_{name}": value for name, value in fields.items()}, "text": text}
    as_json = json.dumps(row, ensure_ascii=ascii_only, indent=indent).replace("\n", " ")
    try:
        data = as_json.encode() + b"\n"
    except UnicodeEncodeError:
        return  # a lone surrogate as it is
    assert read(jsonl(), data) == text
    written = jsonl().labelled([data[:-1]], ANSWER)
    assert written.startswith(data[:-2])
    answer = {"label": "heating", "probability": 0.9877, "topics": ["heating", "ecology"]}
    assert list(json.loads(written).items()) == [*row.items(), *answer.items()]


def test_a_row_without_an_answer_has_null():
    written = jsonl().labelled([b'{"text": ""}'], NO_ANSWER)
    assert written == b'{"text": "", "label": null, "probability": null, "topics": []}\n'


def test_the_text_may_be_in_another_field():
    row = '{"text": 7, "正文": "停暖"}'.encode()  # the body: no heating
    assert read(jsonl("正文"), row) == "停暖"


def test_gb18030_is_read_and_written():
    row = f'{{"text": "{TEXT}㐂"}}\n'.encode("gb18030")  # the last character is in no GBK
    assert read(jsonl(encoding="gb18030"), row) == f"{TEXT}㐂"
    chinese = LabelColumns(["供热"], np.array([0.5]), [("供热",)])  # heat supply
    written = jsonl(encoding="gb18030").labelled([row[:-1]], chinese)
    assert json.loads(written.decode("gb18030"))["topics"] == ["供热"]


BLANKS = st.text(st.sampled_from(" \t"), max_size=2)


@given(
    st.lists(st.tuples(st.sampled_from("ab:"), st.sampled_from(["1", '":"', '{"a":1}', "[]"]))),
    st.data(),
)
def test_a_name_that_stands_twice_is_seen_whatever_stands_around_it(pairs, data):
    drawn = iter(lambda: data.draw(BLANKS), None)
    pairs = [("text", '"热"'), *pairs]
    written = ",".join(f'"{name}"{next(drawn)}:{next(drawn)}{value}' for name, value in pairs)
    names = [name for name, _ in pairs]
    text = read(jsonl(), f"{{{written}}}\n".encode())
    if len(set(names)) == len(names):
        assert text == "热"
    else:
        assert str(text).endswith("stands twice in an object")


# finding rows


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))))
def test_lines_end_at_newlines_alone(lines):
    data = "".join(f"{line}\n" for line in lines).encode()
    rows = found(data, "jsonl")
    assert [row.data for row in rows] == [line.encode() for line in lines]
    assert [row.line for row in rows] == list(range(1, len(lines) + 1))
    assert all(data[row.offset : row.offset + row.size] == row.data + b"\n" for row in rows)


CELLS = st.text(st.sampled_from('a热,"\n\r\t ;'), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=6), st.booleans(), st.booleans())
def test_rows_of_csv_are_those_of_the_csv_module(rows, quote_all, tabs):
    form, dialect = ("tsv", "excel-tab") if tabs else ("csv", "excel")
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    out = io.StringIO(newline="")
    csv.writer(out, dialect, quoting=quoting).writerows(rows)
    data = out.getvalue().encode()
    got = list(csv_records(io.BytesIO(data), form, 0, 1))
    assert b"".join(row.data for row in got) == data
    assert [row.data for row in found(data, form)] == [row.data[:-1] for row in got]
    assert [row[:3] for row in found(data, form)] == [row[:3] for row in got]
    expected = list(csv.reader(io.StringIO(out.getvalue(), newline=""), dialect))
    assert [csv_cells(decoded(row, "utf-8"), form) for row in got] == expected == rows


def test_a_quote_inside_a_cell_opens_nothing():
    data = b'size,text\n5",a pipe\n6",another\n'
    assert [row.line for row in found(data, "csv")] == [1, 2, 3]
    layout = table(b"size,text\n")
    assert read(layout, b'5",a pipe\n') == "a pipe"


def test_a_quote_that_is_never_closed_takes_rows_with_it_up_to_the_limit(monkeypatch):
    monkeypatch.setattr("lanmu.rows.ROW_LIMIT", 30)
    data = b'id,text\n1,"open\n' + b"2,shut\n" * 6
    rows = list(csv_records(io.BytesIO(data), "csv", 0, 1))
    assert sum(row.size for row in rows) == len(data)
    assert [row.line for row in rows] == [1, 2, 7, 8]
    reason = read(table(b"id,text\n"), rows[1].data)
    assert isinstance(reason, BadRowError)
    assert "over the limit of 30 a row (it has 5 lines: is a quote left open?)" in str(reason)


def test_a_long_line_is_skipped_and_the_next_one_found():
    long = b"x" * ROW_LIMIT + b"\n"
    rows = found(b"a\n" + long + b"b\n", "jsonl")
    assert [(row.offset, row.line, row.size) for row in rows] == [
        (0, 1, 2),
        (2, 2, ROW_LIMIT + 1),
        (ROW_LIMIT + 3, 3, 2),
    ]
    (long,) = found(b"x" * (5 * ROW_LIMIT), "jsonl")
    assert long.size == 5 * ROW_LIMIT
    assert len(long.data) < 2 * ROW_LIMIT


def test_rows_are_found_in_more_than_one_batch():
    rows = [b"x" * size for size in (0, 700_000, 500_000, 1, ROW_LIMIT - 1, 3_000_000, 2, 0)]
    data = b"".join(row + b"\n" for row in rows)
    parts = list(batches(io.BytesIO(data), "jsonl", 0, 1, len(data)))
    assert len(parts) == 4
    told = [record for part in parts for record in part.records()]
    assert [record.size for record in told] == [len(row) + 1 for row in rows]
    assert [record.line for record in told] == list(range(1, len(rows) + 1))
    assert all(data[row.offset :].startswith(row.data) for row in told)
    refused = [str(why) for part in parts for _, why in jsonl().read(part)[2]]
    assert [reason for reason in refused if "limit" in reason] == [
        "3,000,001 bytes, over the limit of 2,000,000 a row"
    ]


def test_reading_stops_at_the_end_of_the_shard():
    rows = found(b"a\nb\nc\n", "jsonl", offset=10, line=5, end=14)
    assert [(row.offset, row.line, row.data) for row in rows] == [(10, 5, b"a"), (12, 6, b"b")]


# CSV and TSV


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ('7,"a ""热"" b"\n', '7,"a ""热"" b",heating,0.9877,heating ecology\n'),
        ("007,a\r\n", "007,a,heating,0.9877,heating ecology\r\n"),
        ("7,a", "7,a,heating,0.9877,heating ecology\n"),
        ('"7","a\nb"\n', '"7","a\nb",heating,0.9877,heating ecology\n'),
        ("7,\n", "7,,heating,0.9877,heating ecology\n"),
    ],
)
def test_a_row_of_csv_stays_as_it_is_before_the_answer(row, written):
    assert table(b"id,text\n").labelled([row.encode()], ANSWER) == written.encode()


def test_a_row_of_csv_without_an_answer_has_empty_cells():
    assert table(b"id,text\n").labelled([b"7,x\n"], NO_ANSWER) == b"7,x,,,\n"


def test_the_header_keeps_its_mark_and_its_line_end():
    layout = table("\ufefftext,编号\r\n".encode())
    assert layout.first_line() == "\ufefftext,编号,label,probability,topics\r\n".encode()
    assert layout.cells == ("text", "编号")
    assert layout.labelled([b"a,1\r"], NO_ANSWER) == b"a,1,,,\r\n"
    assert jsonl().first_line() == b""


def test_labels_with_commas_are_quoted():
    answer = LabelColumns(["a,b"], np.array([1.0]), [("a,b",)])
    assert table(b"text\n").labelled([b"x"], answer) == b'x,"a,b",1.0,"a,b"\n'
    assert table(b"text\n", "tsv").labelled([b"x"], answer) == b"x\ta,b\t1.0\ta,b\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"1\n", "1 cells, where the header has 2"),
        (b"1,2,3\n", "3 cells, where the header has 2"),
        (b"\n", "an empty line"),
        (b'1,"open\n', "not CSV: unexpected end of data"),
        (b'1,"a\nb\n', "not CSV: unexpected end of data (it has 2 lines: is a quote left open?)"),
        (b'1,"shut"er\n', "not CSV: ',' expected after '\"'"),
        (b"1,\xb9\xa9\n", "not UTF-8: byte 3 of the row is 0xb9"),
    ],
)
def test_bad_rows_of_csv_are_refused(row, reason):
    told = read(table(b"id,text\n"), row)
    assert isinstance(told, BadRowError)
    assert str(told) == reason


ROWS = [  # good and bad ones; Latin-1, a line separator in a string, blanks
    b'{"text": "\xe6\x9a\x96\xe6\xb0\x94"}\n',
    b'{"text": "caf\xe9"}\n',
    b'{"text": "\xe2\x80\xa8"} x\n',
    b'{"text": ""}\r\n',
    b'{"text": "a", "text": "b"}\n',
    b"[1,\n",
    b" \r\n",
    b"\n",
]


@given(
    st.lists(st.sampled_from(ROWS), min_size=1, max_size=8),
    st.sampled_from(["", '{"text": "x"}', "{"]),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_rows_say_the_same_together_and_alone(rows, last, encoding):
    rows = [*rows, last.encode()] if last else rows
    layout = jsonl(encoding=encoding)
    together = texts(layout, rows)
    assert list(map(repr, together)) == [repr(read(layout, row)) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_byte_order_mark_is_no_part_of_the_first_row(encoding):
    row = '\ufeff{"text": "暖气"}'.encode(encoding)
    _, found, bad = jsonl(encoding=encoding).read(Batch(0, 1, len(row), [row]))
    assert (found, bad) == (["暖气"], [])


def read_from(frames, row):
    """Return what `read` does, from so many frames deeper on the stack."""
    return read_from(frames - 1, row) if frames else read(jsonl(), row)


@pytest.mark.parametrize(("open_", "shut"), [("[", "]"), ('{"a": ', "}"), ("[[[", "]]]")])
def test_how_deep_a_row_may_be_does_not_depend_on_how_deep_python_is(open_, shut):
    def row(depth):
        times = depth // len(shut)
        return f'{{"text": "[[[", "x": {open_ * times}1{shut * times}}}'.encode()

    for frames in (0, 300):
        assert read_from(frames, row(99)) == "[[["  # in an object, which is one more
        assert str(read_from(frames, row(102))) == "nested more than 100 deep"


def test_what_else_is_wrong_with_a_deep_row_does_not_depend_on_it_either():
    row = b'{"text": "x", "y": ' + b"[" * 600 + b"NaN x"
    assert [str(read_from(frames, row)) for frames in (0, 300)] == ["nested more than 100 deep"] * 2


def test_brackets_in_strings_nest_nothing():
    assert read(jsonl(), b'{"text": "' + b"[{" * 500 + b'\\"[", "x": []}') == "[{" * 500 + '"['


def test_cells_may_be_longer_than_the_csv_module_allows_at_first():
    assert read(table(b"id,text\n"), b"1," + b"x" * 200_000 + b"\n") == "x" * 200_000


def test_columns_are_checked():
    check_columns("a.csv", ["id", "text"], "text")
    with pytest.raises(BulkError, match=r"a\.csv: has no column 'body'; name one of: id, text"):
        check_columns("a.csv", ["id", "text"], "body")
    with pytest.raises(BulkError, match="has more than one column 'text'"):
        check_columns("a.csv", ["text", "text"], "text")
    with pytest.raises(BulkError, match="has a column 'label' already; rename it"):
        check_columns("a.csv", ["text", "label"], "text")


def test_the_model_is_shown_the_texts_as_they_are(tmp_path):
    news, labelled = tmp_path / "news.csv", tmp_path / "labelled.csv"
    news.write_bytes('text,id\r\n"换热站\n昨夜试水",1\r\n湿地飞来一群候鸟,2\r\n'.encode())
    label_files([news], labelled)
    with labelled.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = load_model().label(["换热站\n昨夜试水", "湿地飞来一群候鸟"])
    assert [row["label"] for row in rows] == [answer.label for answer in answers]
    assert [row["id"] for row in rows] == ["1", "2"]
