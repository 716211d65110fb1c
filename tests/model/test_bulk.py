"""Whole runs: what they write, how they are taken up again, what they refuse, how they fail."""

import csv
import errno
import gzip
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lanmu import bulk, load_model
from lanmu.bulk import BulkError, UnfinishedRunError, in_this_process, label_files, label_shard
from lanmu.cli import main

KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"
TEXTS = [
    "换热站昨夜试水，暖气热了。",  # the heat exchange station was tried, the radiators are warm
    "湿地飞来候鸟，白鹭成群。",  # migrant birds come to the wetland, egrets in flocks
    "养老院添了两名护理员。",  # the old people's home has taken on two carers
    "今天下午两点开会。",  # there is a meeting at two this afternoon
]
SHARD = 1000
posix = pytest.mark.skipif(os.name != "posix", reason="there are no such limits or signals")


def rows(n=100):
    for i in range(n):
        yield {"id": i} if i % 25 == 7 else {"id": i, "text": f"{TEXTS[i % 4]}{i}"}


def write(file, n=100):
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows(n))
    file.write_text("".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def news(tmp_path):
    return write(tmp_path / "news.jsonl")


@pytest.fixture
def expected(tmp_path, news):
    """Return the bytes of an undisturbed run."""
    output = tmp_path / "undisturbed.jsonl"
    label_files([news], output, shard_size=SHARD)
    return output.read_bytes(), rejected(output)


def lines_of(file):
    return file.read_text(encoding="utf-8").splitlines()


def rejected(output):
    return output.with_name(f"{output.name}.rejected.jsonl").read_bytes()


def folder_of(output):
    return output.with_name(f"{output.name}.unfinished")


class CutOffError(Exception):
    pass


def only(n):
    """Return a spread that is cut off after some shards."""

    def spread(job, shards):
        for shard in shards[:n]:
            yield label_shard(job, shard)
        raise CutOffError

    return spread


def cut_off(inputs, output, n=3, **settings):
    with pytest.raises(CutOffError):
        label_files(inputs, output, spread=only(n), shard_size=SHARD, **settings)


# what is written


def test_rows_come_out_as_they_went_in_with_the_models_answers(tmp_path, news):
    output = tmp_path / "labelled.jsonl"
    totals = label_files([news], output)
    assert totals == bulk.Totals(rows=100, labelled=96, rejected=4)
    good = [row for row in rows() if "text" in row]
    answers = load_model().label(row["text"] for row in good)
    for line, row, answer in zip(lines_of(output), good, answers, strict=True):
        added = {
            "label": answer.label,
            "probability": round(answer.probability, 4),
            "topics": list(answer.topics),
        }
        assert line == json.dumps(row | added, ensure_ascii=False)
    rejects = [json.loads(line) for line in rejected(output).splitlines()]
    lines = news.read_bytes().splitlines(keepends=True)
    assert [(r["file"], r["line"], r["reason"]) for r in rejects] == [
        (str(news), line, "no field 'text'") for line in (8, 33, 58, 83)
    ]
    assert [r["offset"] for r in rejects] == [len(b"".join(lines[:n])) for n in (7, 32, 57, 82)]


@pytest.mark.parametrize("size", [1, 100, 10_000, 1 << 30])
def test_the_output_does_not_depend_on_the_shards(tmp_path, news, expected, size):
    output = tmp_path / "labelled.jsonl"
    label_files([news], output, shard_size=size)
    assert (output.read_bytes(), rejected(output)) == expected


def test_without_bad_rows_there_is_no_file_of_them(tmp_path):
    news, output = tmp_path / "news.jsonl", tmp_path / "labelled.jsonl"
    news.write_text('{"text": "停暖"}', encoding="utf-8")  # no heating; no newline at the end
    Path(f"{output}.rejected.jsonl").write_text("of another run", encoding="utf-8")
    label_files([news], output)
    assert {file.name for file in tmp_path.iterdir()} == {"news.jsonl", "labelled.jsonl"}
    assert output.read_bytes().endswith(b"}\n")


def test_inputs_are_joined_in_order(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in ("b.jsonl", "a.jsonl.gz", "c.jsonl"):
        data = f'{{"text": "停暖", "of": "{name}"}}\n'.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    last = write(tmp_path / "last.jsonl", 2)
    output = tmp_path / "labelled.jsonl"
    totals = label_files([folder, last], output)
    assert totals.rows == 5
    found = [json.loads(line) for line in lines_of(output)]
    assert [row.get("of", row.get("id")) for row in found] == [
        "a.jsonl.gz",
        "b.jsonl",
        "c.jsonl",
        0,
        1,
    ]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_packed_output_holds_the_same(tmp_path, news, expected, packing):
    output = tmp_path / f"labelled.jsonl{packing}"
    label_files([news], output, shard_size=SHARD)
    again = tmp_path / "again.jsonl"
    shown = tmp_path / f"shown.jsonl{packing}"
    output.rename(shown)
    totals = label_files([shown], again)
    assert totals.rejected == totals.rows == 96  # they have labels: each is told with its beginning
    if packing == ".gz":
        assert gzip.decompress(shown.read_bytes()) == expected[0]


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_tables_keep_their_cells(tmp_path, form, delimiter):
    one, two, output = (tmp_path / f"{name}.{form}" for name in ("one", "two", "labelled"))
    head, cells = ["id", "text", "note"], ["007", f"{TEXTS[0]}\n", ' "a",\t b']
    for file, n in ((one, 30), (two, 1)):
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, delimiter=delimiter).writerows([head, *[cells] * n])
    totals = label_files([one, two], output, shard_size=300)
    assert (totals.rows, totals.rejected) == (31, 0)
    with output.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file, delimiter=delimiter))
    (answer,) = load_model().label([cells[1]])
    added = [answer.label, str(round(answer.probability, 4)), " ".join(answer.topics)]
    assert found == [[*head, "label", "probability", "topics"], *[[*cells, *added]] * 31]
    two.write_text("text\n", encoding="utf-8")
    with pytest.raises(BulkError, match=rf"two\.{form}: has the columns text, but .*one"):
        label_files([one, two], output)


def test_gb18030_goes_in_and_out(tmp_path):
    news, output = tmp_path / "news.csv", tmp_path / "labelled.csv"
    news.write_bytes(f"编号,正文\r\n1,{TEXTS[0]}\r\n".encode("gbk"))  # number, body
    label_files([news], output, encoding="GBK", text_field="正文")
    assert output.read_bytes().decode("gbk").splitlines()[1].startswith(f"1,{TEXTS[0]},heating,")


def test_progress_tells_of_each_shard(tmp_path, news):
    told = []
    output = tmp_path / "labelled.jsonl"
    label_files([news], output, shard_size=SHARD, progress=told.append)
    size = news.stat().st_size
    assert len(told) > 5
    assert [p.rows for p in told] == sorted(p.rows for p in told)
    assert all(p.bytes_in_all == size and p.rate > 0 for p in told)
    last = told[-1]
    assert (last.rows, last.rejected, last.bytes, last.seconds_left) == (100, 4, size, 0)


# taken up again


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_run_that_was_cut_off_goes_on_with_what_is_missing(tmp_path, news, expected, n):
    output, labelled = tmp_path / "labelled.jsonl", []
    cut_off([news], output, n)
    assert not output.exists()

    def spread(job, shards):
        labelled.extend(shards)
        return in_this_process(job, shards)

    told = []
    label_files([news], output, spread=spread, shard_size=SHARD, progress=told.append)
    assert (output.read_bytes(), rejected(output)) == expected
    assert [shard.number for shard in labelled] == list(range(n, labelled[-1].number + 1))
    assert len(told) == len(labelled)
    assert told[0].rows > labelled[0].n_rows or n == 0
    assert not folder_of(output).exists()


def test_it_can_be_cut_off_before_anything_comes_to_disk(tmp_path, news, expected, monkeypatch):
    output = tmp_path / "labelled.jsonl"
    fsync, left = os.fsync, [0]

    def fsync_or_stop(fd):
        left[0] -= 1
        if left[0] == 0:
            raise CutOffError
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fsync_or_stop)
    for n in itertools.count(1):
        left[0] = n
        with suppress(CutOffError):
            label_files([news], output, shard_size=4000)
        if left[0] > 0:
            break
        label_files([news], output, shard_size=4000)
        assert (output.read_bytes(), rejected(output)) == expected, n
        assert not folder_of(output).exists()
        output.unlink()
    assert n > 12


def test_another_input_model_or_setting_is_refused(tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"
    cut_off([news], output)
    data = news.read_bytes()
    news.write_bytes(data.replace(b'"id": 99', b'"id": 98'))
    with pytest.raises(BulkError, match=r"begun with another content .*news\.jsonl"):
        label_files([news], output, shard_size=SHARD)
    news.write_bytes(data)
    more = write(tmp_path / "more.jsonl", 3)
    with pytest.raises(BulkError, match="begun with another list of inputs"):
        label_files([news, more], output, shard_size=SHARD)
    with pytest.raises(BulkError, match=r"another setting \(encoding: utf-8, now gb18030\)"):
        label_files([news], output, encoding="gb18030", shard_size=SHARD)
    with pytest.raises(BulkError, match=r"another setting \(text field: text, now body\)"):
        label_files([news], output, text_field="body", shard_size=SHARD)
    other = tmp_path / "other.lanmu"
    replace(load_model(), card={}).save(other)
    with pytest.raises(BulkError, match="begun with another model"):
        label_files([news], output, model=other, shard_size=SHARD)
    label_files([news], output, shard_size=SHARD)
    assert (output.read_bytes(), rejected(output)) == expected


def test_another_version_of_lanmu_is_refused(tmp_path, news, monkeypatch):
    output = tmp_path / "labelled.jsonl"
    cut_off([news], output)
    monkeypatch.setattr(bulk, "_versions", lambda: ("lanmu 9.9", "Python 3", "numpy 2"))
    with pytest.raises(BulkError, match=r"another version \(lanmu .*, now lanmu 9\.9\)"):
        label_files([news], output, shard_size=SHARD)


def test_an_input_that_changes_while_it_is_labelled_is_found(tmp_path, news):
    output = tmp_path / "labelled.jsonl"

    def spread(job, shards):
        with news.open("a") as out:
            out.write("{}\n")
        return in_this_process(job, shards)

    with pytest.raises(BulkError, match=r"news\.jsonl: changed while it was being labelled"):
        label_files([news], output, spread=spread)
    assert not list(folder_of(output).glob("*.rows"))


def test_a_spread_that_loses_shards_is_found(tmp_path, news):
    with pytest.raises(UnfinishedRunError, match=r"\d+ shards were not labelled"):
        label_files([news], tmp_path / "labelled.jsonl", spread=lambda *_: [], shard_size=SHARD)


def test_two_runs_to_one_output_keep_apart(tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"

    def spread(job, shards):
        with pytest.raises(BulkError, match="another run is writing it"):
            label_files([news], output, shard_size=SHARD)
        return in_this_process(job, shards)

    label_files([news], output, spread=spread, shard_size=SHARD)
    assert (output.read_bytes(), rejected(output)) == expected


@posix
def test_runs_killed_at_random_moments_lose_nothing():
    command = [sys.executable, KILL, "--rows", "1500", "--kills", "3", "--shard-size", "20000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all outputs are the same to the byte\n")


# strict


def test_strict_stops_at_a_bad_row(tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"
    with pytest.raises(BulkError) as caught:
        label_files([news], output, strict=True, shard_size=SHARD)
    assert str(caught.value) == f"{news}:8: no field 'text'"
    with pytest.raises(BulkError, match=r"news\.jsonl:8: no field 'text'"):
        label_files([news], output, strict=True, shard_size=SHARD)
    label_files([news], output, shard_size=SHARD)
    assert (output.read_bytes(), rejected(output)) == expected


# what can't be used


def test_inputs_and_outputs_that_cannot_be_used_are_refused(tmp_path, news):
    output = tmp_path / "labelled.jsonl"
    with pytest.raises(BulkError, match=r"labelled\.txt: its name must end with"):
        label_files([news], tmp_path / "labelled.txt")
    with pytest.raises(BulkError, match="can't become csv"):
        label_files([news], tmp_path / "labelled.csv")
    with pytest.raises(BulkError, match=r"news\.jsonl: is an input, and would be written"):
        label_files([news], news)
    with pytest.raises(BulkError, match="there is nothing to label"):
        label_files([], output)
    with pytest.raises(BulkError, match=r"labelled\.jsonl: is in the folder .*, which is read"):
        label_files([tmp_path], output)
    with pytest.raises(BulkError, match="its folder does not exist"):
        label_files([news], tmp_path / "none" / "labelled.jsonl")
    with pytest.raises(BulkError, match="'utf-16' is none of utf-8, gb18030"):
        label_files([news], output, encoding="utf-16")
    with pytest.raises(TypeError, match="an iterable of paths, not one"):
        label_files(str(news), output)
    with pytest.raises(FileNotFoundError):
        label_files([tmp_path / "none.jsonl"], output)
    with pytest.raises(FileNotFoundError):
        label_files([news], output, model=tmp_path / "none.lanmu")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(BulkError, match="is a folder"):
        label_files([news], tmp_path / "folder.jsonl")
    assert {file.name for file in tmp_path.iterdir()} == {"news.jsonl", "folder.jsonl"}


def test_an_input_is_not_taken_for_the_file_of_rejected_rows(tmp_path):
    news = tmp_path / "labelled.jsonl.rejected.jsonl"
    news.write_text('{"text": "暖气"}\n', encoding="utf-8")
    with pytest.raises(BulkError, match=r"rejected\.jsonl: is an input, and would be written"):
        label_files([news], tmp_path / "labelled.jsonl")
    assert list(tmp_path.iterdir()) == [news]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_of_nothing_comes_a_packed_file_of_nothing(tmp_path, packing):
    if packing == ".zst":
        pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    news, output = tmp_path / "news.jsonl", tmp_path / f"labelled.jsonl{packing}"
    news.touch()
    assert label_files([news], output).rows == 0
    assert output.stat().st_size > 0
    again = tmp_path / f"again.jsonl{packing}"
    assert label_files([output], again).rows == 0


# failures

LIMITED = """
import resource, sys
from lanmu.bulk import UnfinishedRunError, label_files
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    label_files([sys.argv[1]], sys.argv[2], shard_size=1000)
except UnfinishedRunError as error:
    sys.exit(str(error))
"""


@posix
@pytest.mark.parametrize("limit", [1500, 3000], ids=["for a shard", "for the whole"])
def test_where_there_is_no_room_shards_are_kept_and_the_run_goes_on_later(
    tmp_path, news, expected, limit
):
    output = tmp_path / "labelled.jsonl"
    cut_off([news], output, 2)
    kept = set(folder_of(output).iterdir())
    command = [sys.executable, "-c", LIMITED, news, output, str(limit)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert os.strerror(errno.EFBIG) in done.stderr
    assert f"what is done is kept in {folder_of(output)}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert set(folder_of(output).iterdir()) >= kept
    assert not list(folder_of(output).glob(".*"))
    label_files([news], output, shard_size=SHARD)
    assert (output.read_bytes(), rejected(output)) == expected


FORBIDDEN = """
import os, sys
from lanmu.bulk import UnfinishedRunError, in_this_process, label_files
def spread(job, shards):
    found = in_this_process(job, shards)
    yield next(found)
    os.chmod(sys.argv[3], 0o500)
    if os.geteuid() == 0:
        os.seteuid(65534)
    yield from found
try:
    label_files([sys.argv[1]], sys.argv[2], shard_size=1000, spread=spread)
except UnfinishedRunError as error:
    sys.exit(str(error))
"""


@posix
def test_a_folder_that_becomes_forbidden_stops_the_run_and_it_goes_on_later(
    tmp_path, news, expected
):
    output = tmp_path / "labelled.jsonl"
    folder = folder_of(output)
    command = [sys.executable, "-c", FORBIDDEN, news, output, folder]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    folder.chmod(0o700)
    assert done.returncode == 1, done.stderr
    assert os.strerror(errno.EACCES) in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(list(folder.glob("*.rows"))) == 1
    label_files([news], output, shard_size=SHARD)
    assert (output.read_bytes(), rejected(output)) == expected


# the command


@pytest.fixture
def lanmu(monkeypatch, capsys):
    """Run the command in this process; return its exit code, its output and its errors."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["lanmu", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    return run


def test_the_command_tells_what_became_of_the_rows(lanmu, tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"
    assert lanmu("label", news, "-o", output) == (
        0,
        f"100 rows = 96 labelled + 4 rejected ({output}.rejected.jsonl)\n",
        "",
    )
    assert (output.read_bytes(), rejected(output)) == expected


def test_the_command_takes_any_number_of_inputs_and_all_settings(lanmu, tmp_path):
    one, two, output = (tmp_path / f"{name}.tsv" for name in ("one", "two", "labelled"))
    for file in (one, two):
        file.write_bytes(f"body\n{TEXTS[0]}\n".encode("gb18030"))
    model = tmp_path / "mine.lanmu"
    load_model().save(model)
    settings = ("--text-field", "body", "--encoding", "gb18030", "--model", model, "--strict")
    code, out, err = lanmu("label", one, two, "-o", output, *settings)
    assert (code, out, err) == (0, "2 rows = 2 labelled + 0 rejected\n", "")


def test_progress_as_json_is_for_programs(lanmu, tmp_path, news):
    _, _, err = lanmu("label", news, "-o", tmp_path / "labelled.jsonl", "--json-progress")
    (line,) = err.splitlines()
    told = json.loads(line)
    size = news.stat().st_size
    assert told.pop("rate") > 0
    assert told == {
        "rows": 100, "rejected": 4, "bytes": size, "bytes_in_all": size, "seconds_left": 0
    }  # fmt: skip


def test_progress_is_shown_on_a_terminal(lanmu, tmp_path, news, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    lanmu("label", news, "-o", tmp_path / "labelled.jsonl")
    assert "labelling" in terminal.getvalue()
    assert "100 rows, " in terminal.getvalue()
    assert "4 rejected" in terminal.getvalue()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "2"], "--workers is for rows; name OUT with -o"),
        (["--json-progress"], "--json-progress is for rows; name OUT with -o"),
        (["more.jsonl"], "more.jsonl: one text file is labelled at a time"),
        (["-o", "out.jsonl", "--format", "csv"], "--format is for text files"),
        (["-o", "out.jsonl", "--workers", "2", "--scheduler", "tcp://a"], "not both"),
        (["-o", "out.jsonl", "--workers", "0"], "0 workers can't label"),
        (["-o", "out.txt"], "its name must end with"),
        (["-o", "out.jsonl", "--strict"], "news.jsonl:8: no field 'text'"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_said_in_one_line(lanmu, tmp_path, news, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = lanmu("label", "news.jsonl", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_failed_run_has_status_1(lanmu, tmp_path, news, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    output = tmp_path / "labelled.jsonl"
    output.with_name("labelled.jsonl.unfinished").mkdir()
    monkeypatch.setattr("lanmu.unfinished._check_state", lambda *_: None)
    code, out, err = lanmu("label", news, "-o", output)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{output}: {os.strerror(errno.ENOSPC)}; what is done is kept" in err


@posix
def test_control_c_stops_and_says_how_to_go_on(tmp_path):
    news, output = tmp_path / "news.jsonl", tmp_path / "labelled.jsonl"
    row = json.dumps({"text": "".join(TEXTS) * 8}, ensure_ascii=False)
    news.write_text(f"{row}\n" * 12_000, encoding="utf-8")  # three shards
    lanmu = Path(sys.executable).with_name("lanmu")
    run = subprocess.Popen([lanmu, "label", news, "-o", output], stderr=subprocess.PIPE, text=True)
    while not list(folder_of(output).glob("*.rows")) and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert (run.returncode, err.count("\n")) == (130, 1)
    assert "stopped; what is done is kept" in err
    assert list(folder_of(output).glob("*.rows"))
