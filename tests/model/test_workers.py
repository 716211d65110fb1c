"""Shards spread over local processes and over a Dask cluster, through the death of workers."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lanmu import bulk, load_model
from lanmu.bulk import BulkError, UnfinishedRunError, label_files, label_shard
from lanmu.workers import cluster, processes, trouble_here

TEXT = "换热站昨夜试水，湿地飞来候鸟。"  # the heat station is tried; birds come
posix = pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")


@pytest.fixture(scope="module")
def news(tmp_path_factory):
    file = tmp_path_factory.mktemp("news") / "news.jsonl"
    rows = ({"text": f"{TEXT}{i}"} if i % 50 else {"id": i} for i in range(600))
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text("".join(lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def expected(news):
    output = news.with_name("undisturbed.jsonl")
    label_files([news], output)
    return output.read_bytes(), rejected(output)


def rejected(output):
    return output.with_name(f"{output.name}.rejected.jsonl").read_bytes()


def after_the_first(spread, act):
    """Return a spread that acts once the first shard is done."""

    def acting(job, shards):
        done = spread(job, shards)
        yield next(done)
        act()
        yield from done

    return acting


def wait_until(holds, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


# processes


def test_processes_give_what_one_gives(tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"
    totals = label_files([news], output, spread=processes(2), shard_size=4000)
    assert totals == bulk.Totals(rows=600, labelled=588, rejected=12)
    assert (output.read_bytes(), rejected(output)) == expected


@posix
def test_a_killed_process_stops_the_run_and_it_goes_on_later(tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"

    def kill():
        os.kill(processes_of(os.getpid())[0], signal.SIGKILL)

    with pytest.raises(UnfinishedRunError, match=r"was killed.*the same command goes on"):
        label_files([news], output, spread=after_the_first(processes(2), kill), shard_size=300)
    done = len(list(tmp_path.glob("*.unfinished/*.rows")))
    assert done >= 1
    told = []
    label_files([news], output, spread=processes(2), shard_size=300, progress=told.append)
    assert (output.read_bytes(), rejected(output)) == expected
    assert [file.name for file in tmp_path.iterdir() if "unfinished" in file.name] == []


@posix
def test_processes_end_soon_after_the_run_was_killed(tmp_path, news):
    code = (
        "import sys; from lanmu.bulk import label_files; from lanmu.workers import processes\n"
        "label_files(sys.argv[1:2], sys.argv[2], spread=processes(2), shard_size=300,\n"
        "            progress=lambda told: print(told, flush=True))"
    )
    command = [sys.executable, "-c", code, news, tmp_path / "labelled.jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        run.stdout.readline()
        pids = processes_of(run.pid)
        run.kill()
    assert len(pids) == 2
    wait_until(lambda: not set(pids) & {pid for pid, *_ in running()})


def running():
    """Return number, parent's number and command of each process."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [
        (int(pid), int(parent), command)
        for pid, parent, command in rows
        if "<defunct>" not in command
    ]


def processes_of(run):
    return [pid for pid, parent, command in running() if parent == run and "LokyProcess" in command]


def test_errors_of_processes_are_the_same_as_here(tmp_path, news):
    def spread(job, shards):
        (tmp_path / "mine.lanmu").write_bytes(b"another model")
        return processes(2)(job, shards)

    load_model().save(tmp_path / "mine.lanmu")
    with pytest.raises(BulkError, match=r"mine\.lanmu: is another model here"):
        label_files(
            [news],
            tmp_path / "labelled.jsonl",
            model=tmp_path / "mine.lanmu",
            spread=spread,
            shard_size=4000,
        )


def test_one_shard_is_labelled_here(tmp_path, news, expected):
    output = tmp_path / "labelled.jsonl"
    label_files([news], output, spread=after_the_first(processes(2), lambda: None))
    assert output.read_bytes() == expected[0]


def test_one_process_needs_neither_joblib_nor_an_extra(run_python, tmp_path, news):
    code = (
        "import sys; from lanmu.bulk import label_files; from lanmu.workers import processes\n"
        "label_files(sys.argv[1:2], sys.argv[2], spread=processes(1)); print(*sys.modules)"
    )
    loaded = set(run_python(code, news, tmp_path / "labelled.jsonl").stdout.split())
    assert "lanmu.bulk" in loaded
    assert loaded.isdisjoint({"joblib", "sklearn", "scipy", "pyarrow", "distributed", "backports"})


@pytest.mark.parametrize("n", [0, -1])
def test_there_must_be_a_process(n):
    with pytest.raises(BulkError, match=f"{n} workers can't label"):
        processes(n)


# a cluster


def start_dask(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, arguments), "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
    )


class Dask:
    """A scheduler on loopback, and its workers."""

    def __init__(self, folder, **environment):
        file = folder / "scheduler.json"
        at = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
        self.scheduler = start_dask("scheduler", *at, **environment)
        self.file = file
        self.workers = []

    @property
    def address(self):
        wait_until(lambda: self.file.exists() and self.file.read_text().endswith("}"))
        return json.loads(self.file.read_text())["address"]

    def add_worker(self):
        options = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        self.workers.append(start_dask("worker", self.address, *options))

    def wait_for_workers(self, n):
        from distributed import Client  # noqa: PLC0415

        with Client(self.address) as client:
            client.wait_for_workers(n, timeout=30)

    def stop(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    dask = Dask(tmp_path_factory.mktemp("dask"))
    yield dask
    dask.stop()


@pytest.fixture
def nothing_is_labelled_here(monkeypatch):
    monkeypatch.delattr("lanmu.bulk._label_rows")


@posix
@pytest.mark.usefixtures("nothing_is_labelled_here")
def test_a_cluster_gives_what_one_process_gives_though_a_worker_is_killed(
    tmp_path, news, expected, dask
):
    for _ in range(2):
        dask.add_worker()
    dask.wait_for_workers(2)
    output = tmp_path / "labelled.jsonl"
    spread = after_the_first(cluster(dask.address), dask.workers[0].kill)
    totals = label_files([news], output, spread=spread, shard_size=1000)
    assert dask.workers[0].wait() == -signal.SIGKILL
    assert totals == bulk.Totals(rows=600, labelled=588, rejected=12)
    assert (output.read_bytes(), rejected(output)) == expected
    assert not list(tmp_path.glob("*.unfinished"))


@posix
def test_a_cluster_that_loses_a_shard_too_often_stops_the_run(tmp_path, news, tmp_path_factory):
    dask = Dask(tmp_path_factory.mktemp("frail"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    try:
        for _ in range(2):
            dask.add_worker()
        dask.wait_for_workers(2)
        spread = after_the_first(cluster(dask.address), dask.workers[0].kill)
        with pytest.raises(UnfinishedRunError, match=r"lost too often.*the same command goes on"):
            label_files([news], tmp_path / "labelled.jsonl", spread=spread, shard_size=300)
    finally:
        dask.stop()
    assert list(tmp_path.glob("*.unfinished/*.rows"))


def test_the_command_labels_on_a_cluster(tmp_path, news, expected, dask):
    dask.add_worker()
    dask.wait_for_workers(1)
    lanmu, output = Path(sys.executable).with_name("lanmu"), tmp_path / "labelled.jsonl"
    command = [lanmu, "label", news, "-o", output, "--scheduler", dask.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("600 rows = 588 labelled + 12 rejected")
    assert output.read_bytes() == expected[0]


@posix
def test_workers_of_another_version_are_refused(tmp_path, news, dask, monkeypatch):
    dask.add_worker()
    dask.wait_for_workers(1)
    monkeypatch.setattr(bulk, "_versions", lambda: ("lanmu 9.9", "Python 3", "numpy 2"))
    with pytest.raises(BulkError, match=r"worker tcp://.* runs lanmu .* began with lanmu 9\.9"):
        label_files([news], tmp_path / "labelled.jsonl", spread=cluster(dask.address))


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense://x", "tcp://127.0.0.1", "tcp://x:y"]
)
def test_a_scheduler_that_is_not_there_is_refused(tmp_path, news, monkeypatch, address):
    monkeypatch.setattr("lanmu.workers._PATIENCE", 1)
    with pytest.raises(BulkError, match=f"^{re.escape(address)}: no Dask scheduler answers there"):
        label_files([news], tmp_path / "o.jsonl", spread=cluster(address))


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1", "tcp://x:y"])
def test_an_impossible_address_leaves_no_client_behind(tmp_path, news, address):
    from distributed import Client  # noqa: PLC0415

    with pytest.raises(BulkError):
        label_files([news], tmp_path / "o.jsonl", spread=cluster(address))
    left = [client for client in gc.get_objects() if isinstance(client, Client)]
    assert {client.status for client in left} <= {"closed"}


def test_a_cluster_without_workers_is_refused(tmp_path, news, tmp_path_factory):
    dask = Dask(tmp_path_factory.mktemp("empty"))
    try:
        with pytest.raises(BulkError, match="has no workers; start some with `dask worker tcp://"):
            label_files([news], tmp_path / "o.jsonl", spread=cluster(dask.address))
    finally:
        dask.stop()


def test_without_distributed_the_extra_is_named(tmp_path, news, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BulkError, match=r"pip install 'lanmu\[dask\]'"):
        label_files([news], tmp_path / "o.jsonl", spread=cluster("tcp://127.0.0.1:9"))


def test_a_worker_tells_what_keeps_it_from_labelling(tmp_path, news):
    told = []

    def spread(job, shards):
        told.append(trouble_here(job, [str(news)]))
        told.append(trouble_here(job, ["/none/news.jsonl"]))
        (tmp_path / "mine.lanmu").unlink()
        bulk._model.cache_clear()
        told.append(trouble_here(job, []))
        Path(job.parts).parent.rename(tmp_path / "elsewhere")
        told.append(trouble_here(job, []))
        (tmp_path / "elsewhere").rename(Path(job.parts).parent)
        load_model().save(tmp_path / "mine.lanmu")
        return (label_shard(job, shard) for shard in shards)

    model, output = tmp_path / "mine.lanmu", tmp_path / "labelled.jsonl"
    load_model().save(model)
    label_files([news], output, model=model, spread=spread)
    assert told[0] is None
    assert told[1].startswith(
        "/none/news.jsonl is not there; inputs and output must be in a folder"
    )
    assert "mine.lanmu" in told[2]
    assert "labelled.jsonl.unfinished is not there" in told[3]
