"""Measure how training's time and memory, and labelling's memory, grow with the number of texts.

    python benchmarks/scaling.py --titles TRAIN.jsonl --data NEWS.jsonl [--most 1000000]

TRAIN.jsonl has rows with "text" and "label". Training takes its rows and, as often as it takes to
have 10,000, 100,000 and 1,000,000, noisy copies of them, whose characters are swapped here and
there. Labelling takes paragraphs of NEWS.jsonl, cut to 40 characters, from a generator: 10,000 a
call, and all in one call. Each measurement has a process of its own, one thread, and goes to
benchmarks/results/scaling.json; sizes above --most keep the figures that they have there.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import speed

from lanmu.model_file import SHIPPED

SIZES = (10_000, 100_000, 1_000_000)
MODEL = "lanmu"
RESULTS = Path(__file__).parent / "results" / "scaling.json"


def noisy(titles: list[str]) -> Iterator[str]:
    """Yield titles, and then copies of them with characters swapped, without end."""
    dice = random.Random(0)
    yield from titles
    for title in cycle(titles):
        characters = list(title)
        for _ in range(1 + len(title) // 10):
            i, j = dice.choices(range(len(title)), k=2)
            characters[i], characters[j] = characters[j], characters[i]
        yield "".join(characters)


def training(path: str, data: str, n: int) -> speed.Row:
    """Train on n titles."""
    titles, labels = speed.read(data)
    texts = list(islice(noisy(titles), n))
    taken = speed.seconds(speed.PEERS[MODEL].train, texts, list(islice(cycle(labels), n)), path)
    return {"seconds": round(taken, 1), "peak_bytes": speed.peak_memory()}


def labelling(path: str, data: str, n: int, per_call: int) -> speed.Row:
    """Label n paragraphs of up to 40 characters."""
    predict = speed.PEERS[MODEL].load(path)
    paragraphs = (text[:40] for text in cycle(speed.read(data)[0]))
    taken = sum(speed.seconds(predict, islice(paragraphs, per_call)) for _ in range(n // per_call))
    return {"seconds": round(taken, 1), "peak_bytes": speed.peak_memory()}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    absolute = {"type": lambda path: Path(path).resolve(), "required": True}
    parser.add_argument("--titles", help="labelled texts to train on", **absolute)
    parser.add_argument("--data", help="texts to label", **absolute)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="most texts to train on")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"training": {}}
    results |= {"machine": speed.machine(), "labelling": {}}

    def tell(what: str, row: speed.Row) -> speed.Row:
        print(f"{what:44}{row['seconds']:9.1f} s{row['peak_bytes'] / 1e6:9,.0f} MB", flush=True)
        return row

    with tempfile.TemporaryDirectory() as folder:
        for n in (size for size in SIZES if size <= options.most):
            path = f"{folder}/{n}"
            row = speed.in_fresh_process(training, path, str(options.titles), n)
            row["model_bytes"] = Path(path).stat().st_size
            results["training"][str(n)] = tell(f"training on {n:,}", row)
        path = f"{folder}/{SIZES[0]}"
        if not Path(path).exists():
            path = str(SHIPPED)
        for n in SIZES[1:]:
            for per_call in (SIZES[0], n):
                row = speed.in_fresh_process(labelling, path, str(options.data), n, per_call)
                what = f"{n:,}, {per_call:,} a call"
                results["labelling"][what] = tell(f"labelling {what}", row)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import scaling  # a fresh process takes functions of this module, and not of __main__

    scaling.main()
