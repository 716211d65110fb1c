"""Measure bulk labelling: against the model in memory, with one worker and two, and its memory.

    python benchmarks/bulk.py --data NEWS.jsonl [--memory 2000]

NEWS.jsonl, with "text" in its rows, is repeated to a file of --size MB. Measured, turn about:

- `model.label` on all its texts in memory, and `label_files` on the file, in one process, on one
  thread: what reading, checking, hashing, writing and joining cost beside labelling;
- a process from its start to its end with one worker and with two, and their steady rates between
  the first shard and the last, which leave out imports and the start of processes.

With --memory, a file of so many MB is labelled by two workers, and one with a single line of half
as many MB: the peak memory of the run and of each worker. The files go to a temporary folder, which
TMPDIR names, that must have room for four times as much. It takes Linux. The figures, each a median
of the rounds with the lowest and the highest, go to benchmarks/results/bulk.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes find modules compiled, as installed

from lanmu import load_model
from lanmu.bulk import label_files
from lanmu.workers import processes

HERE = Path(__file__).resolve().parent


def repeat(data: Path, size: int, file: Path) -> None:
    """Write a file of at least `size` bytes by repeating the rows of another."""
    rows = data.read_bytes()
    rows += b"" if rows.endswith(b"\n") else b"\n"
    with file.open("wb") as out:
        for _ in range(-(-size // len(rows))):
            out.write(rows)


def peak_memory(pid: int | str) -> int:
    """Return the most bytes that a process has held; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if "VmHWM" in line), 0)


def children() -> Iterator[int]:
    """Yield the numbers of this process's worker processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8")
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == os.getpid() and b"LokyProcess" in command:
            yield int(folder.name)


def run(rows: str, output: str, workers: int) -> dict[str, Any]:
    """Label a file, in a fresh process; tell its totals, steady rate and peak memory."""
    told, held = [], {}

    def progress(progress: Any) -> None:
        told.append((time.monotonic(), progress.bytes))
        held.update({pid: peak_memory(pid) for pid in children()})

    totals = label_files([rows], output, spread=processes(workers), progress=progress)
    (first, first_bytes), (last, last_bytes) = told[0], told[-1]
    return {
        "rows": totals.rows,
        "rejected": totals.rejected,
        "steady_rate": (last_bytes - first_bytes) / (last - first) if last > first else None,
        "peak": [peak_memory("self"), *held.values()],
    }


def in_fresh_process(*arguments: Any) -> tuple[float, dict[str, Any]]:
    """Return the seconds that `run` takes in a process of its own, and what it tells."""
    program = f"import bulk, json; print(json.dumps(bulk.run(*{arguments!r})))"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=HERE, stdout=subprocess.PIPE, text=True, check=True
    )
    return time.monotonic() - began, json.loads(done.stdout)


def overhead(rows: Path, output: Path, rounds: int) -> dict[str, list[float]]:
    """Measure the model on texts in memory, and on the same texts in a file."""
    model = load_model()
    texts = [json.loads(line)["text"] for line in rows.read_bytes().split(b"\n") if line]
    label_files([rows], output)  # loads what is loaded once
    found: dict[str, list[float]] = {"in memory, s": [], "bulk, s": []}
    for i in range(rounds):
        print(f"one process, round {i + 1} of {rounds}", file=sys.stderr)
        began = time.perf_counter()
        model.label(texts)
        found["in memory, s"].append(time.perf_counter() - began)
        began = time.perf_counter()
        label_files([rows], output)
        found["bulk, s"].append(time.perf_counter() - began)
    pairs = zip(found["bulk, s"], found["in memory, s"], strict=True)
    found["bulk / in memory"] = [bulk / memory for bulk, memory in pairs]
    return found


def scaling(rows: Path, output: Path, rounds: int) -> dict[str, list[float]]:
    """Measure fresh processes with one worker and with two."""
    found: dict[str, list[float]] = {}
    for i in range(rounds):
        for n in (1, 2):
            print(f"workers: {n}, round {i + 1} of {rounds}", file=sys.stderr)
            seconds, told = in_fresh_process(str(rows), str(output), n)
            found.setdefault(f"{n} from start to end, MB/s", []).append(
                rows.stat().st_size / seconds / 1e6
            )
            found.setdefault(f"{n} steady, MB/s", []).append(told["steady_rate"] / 1e6)
    for what in ("from start to end", "steady"):
        pairs = zip(found[f"2 {what}, MB/s"], found[f"1 {what}, MB/s"], strict=True)
        found[f"two / one, {what}"] = [two / one for two, one in pairs]
    return found


def memory(data: Path, size: int, folder: Path) -> dict[str, Any]:
    """Measure the peak memory over a large file, and over one with a very long line."""
    rows, long, output = (folder / f"{name}.jsonl" for name in ("rows", "long", "labelled"))
    found: dict[str, Any] = {"bytes": size, "bytes of the long line": size // 2}
    print(f"memory: {size / 1e6:,.0f} MB by two workers", file=sys.stderr)
    repeat(data, size, rows)
    seconds, told = in_fresh_process(str(rows), str(output), 2)
    found["peak of the run and each worker, MB"] = [round(peak / 1e6) for peak in told["peak"]]
    found["rows"], found["rejected"], found["s"] = told["rows"], told["rejected"], round(seconds)
    rows.unlink()
    output.unlink()
    with long.open("wb") as out:
        out.write('{"text": "暖气"}\n{"text": "'.encode())  # radiators
        for _ in range(size // 2 // 1_000_000):
            out.write(b"x" * 1_000_000)
        out.write('"}\n{"text": "暖气"}\n'.encode())
    _, told = in_fresh_process(str(long), str(output), 1)
    found["long line: peak, MB"] = round(told["peak"][0] / 1e6)
    found["long line: rows, rejected"] = [told["rows"], told["rejected"]]
    return found


def machine() -> dict[str, Any]:
    """Describe the machine."""
    import speed  # noqa: PLC0415 - the other benchmark describes it the same way

    return speed.machine()


def condensed(rounds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return rounds as median, lowest and highest."""
    return {
        name: {
            "median": round(median(values), 3),
            "lowest": round(min(values), 3),
            "highest": round(max(values), 3),
        }
        for name, values in rounds.items()
    }


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, metavar="JSONL", help="texts to label")
    parser.add_argument("--size", type=int, default=60, help="MB to label each time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=0, help="MB over which memory is measured")
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "MB": options.size, "rounds": options.rounds}
    with tempfile.TemporaryDirectory() as name:
        rows, output = Path(name, "news.jsonl"), Path(name, "labelled.jsonl")
        repeat(options.data.resolve(), options.size * 1_000_000, rows)
        results["one process"] = condensed(overhead(rows, output, options.rounds))
        results["workers"] = condensed(scaling(rows, output, options.rounds))
        rows.unlink()
        output.unlink()
        if options.memory:
            results["memory"] = memory(
                options.data.resolve(), options.memory * 1_000_000, Path(name)
            )
    for part in ("one process", "workers"):
        for figure, spread in results[part].items():
            print(f"{figure:36}{spread['median']:8.2f} ({spread['lowest']}-{spread['highest']})")
    for figure, value in results.get("memory", {}).items():
        print(f"{figure:36}{value}")
    file = HERE / "results" / "bulk.json"
    file.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
