"""Kill bulk runs with SIGKILL at random moments, and check that nothing is lost or comes twice.

    python benchmarks/kill.py --kills 200

A run over paragraphs of labeled/ (or of --data, any JSONL with "text") by two worker processes is
left undisturbed. Then the same run is started again and again and killed after a random time, now
the run alone, now one of its workers, now all of them, until it has come to its end between two
kills; its output must be the undisturbed one's to the byte, and nothing else may be left. That is
repeated until so many kills have hit a run at work. It takes Linux or macOS.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

LABELED = Path(__file__).parents[1] / "labeled"
RUN = """
import sys
from lanmu.bulk import UnfinishedRunError, label_files
from lanmu.workers import processes
try:
    label_files([sys.argv[1]], sys.argv[2], spread=processes(2), shard_size=int(sys.argv[3]))
except UnfinishedRunError as error:
    sys.exit(str(error))
"""
KILLED_WORKER = "a worker process was killed"


def texts(data: Path) -> Iterator[str]:
    """Yield the texts of a file, or of the JSONL files of a folder."""
    for file in sorted(data.glob("*.jsonl")) if data.is_dir() else [data]:
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["text"]


def write_rows(data: Path, n: int, file: Path) -> None:
    """Write rows with numbers; each 1000th is bad."""
    with file.open("w", encoding="utf-8") as out:
        for i, text in enumerate(islice(cycle(texts(data)), n)):
            row = {"id": i} if i % 1000 == 999 else {"id": i, "text": text}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def start(rows: Path, output: Path, shard_size: int) -> "subprocess.Popen[str]":
    """Start a run in a process group of its own."""
    command = [sys.executable, "-c", RUN, str(rows), str(output), str(shard_size)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def workers(run: "subprocess.Popen[str]") -> list[int]:
    """Return the numbers of a run's worker processes."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, parent, args in rows if parent == str(run.pid) and "Loky" in args]


def kill(run: "subprocess.Popen[str]", whom: str) -> bool:
    """Kill a run, one of its workers or all; tell whether that hit a run at work."""
    there = workers(run)
    if run.poll() is not None or (whom == "worker" and not there):
        return False
    if whom == "all":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        try:
            os.kill(random.choice(there) if whom == "worker" else run.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return True


def ended(run: "subprocess.Popen[str]") -> bool:
    """Wait for a run; tell whether it came to its end, and fail where it broke down."""
    _, said = run.communicate()
    if run.returncode > 0 and KILLED_WORKER not in said:
        sys.exit(f"a run failed:\n{said}")
    return run.returncode == 0


def main() -> None:
    """Kill until enough kills have hit; say how many runs were checked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=LABELED, help="texts: JSONL or a folder")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--shard-size", type=int, default=1 << 20, help="bytes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        rows, expected, output = (Path(folder, name) for name in ("rows", "once", "again"))
        rows, expected, output = (path.with_suffix(".jsonl") for path in (rows, expected, output))
        write_rows(options.data, options.rows, rows)
        began = time.monotonic()
        if not ended(start(rows, expected, options.shard_size)):
            sys.exit("the undisturbed run did not come to its end")
        taken = time.monotonic() - began
        rejected = [path.with_name(f"{path.name}.rejected.jsonl") for path in (expected, output)]
        there = {rows, expected, output, *rejected}
        hits: Counter[str] = Counter()
        checked = 0
        while True:
            enough = hits.total() >= options.kills
            run = start(rows, output, options.shard_size)
            if not enough:
                whom = random.choice(["run", "worker", "all"])
                time.sleep(random.uniform(0, taken))
                hits[whom] += kill(run, whom)
            if not ended(run):
                continue
            checked += 1
            if output.read_bytes() != expected.read_bytes():
                sys.exit(f"{dict(hits)}: the output differs")
            if rejected[1].read_bytes() != rejected[0].read_bytes():
                sys.exit(f"{dict(hits)}: the rejected rows differ")
            if left := set(Path(folder).iterdir()) - there:
                sys.exit(f"{dict(hits)}: {sorted(map(str, left))} are left")
            output.unlink()
            rejected[1].unlink()
            told = ", ".join(f"{n} {whom}" for whom, n in sorted(hits.items()))
            print(f"{hits.total()} kills ({told}); {checked} outputs checked", flush=True)
            if enough:
                break
        print(f"an undisturbed run takes {taken:.1f} s; all outputs are the same to the byte")


if __name__ == "__main__":
    main()
