"""What each setting of `TopicClassifier` does to accuracy, on many sets: why its defaults are so.

    python benchmarks/tuning.py --data FOLDER [--labeled labeled]

FOLDER has a NAME.train.jsonl for each set. Every setting is changed alone, from the defaults on, to
each of the values that `lanmu tune` tries. Figures are accuracies in percent over folds held out
from the training texts, which part no near-duplicates; no test text is looked at. No change should
be better on all sets than the defaults are. Results go to benchmarks/results/tuning.json.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from lanmu_training import LabeledData, TopicClassifier, read_labeled
from lanmu_training.leakage import groups
from lanmu_training.tune import CHOICES

RESULTS = Path(__file__).parent / "results" / "tuning.json"


def changes() -> list[dict[str, Any]]:
    """Return no change, and then each change of one setting."""
    defaults = TopicClassifier().get_params()
    return [{}] + [
        {name: value}
        for name, values in CHOICES.items()
        for value in values
        if value != defaults[name]
    ]


def held_out_accuracy(data: LabeledData, group: list[int], change: dict[str, Any]) -> float:
    """Return the share of the texts whose label is found by machines trained without them."""
    classifier = TopicClassifier(**change).fit(data.texts, data.labels, group)
    held_out = classifier.classes_[classifier.held_out_scores_.argmax(axis=1)]
    return round(100 * float((held_out == data.labels).mean()), 2)


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labeled", type=Path, default=Path("labeled"))
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    sets = {"labeled": read_labeled(options.labeled)}
    for file in sorted(options.data.glob("*.train.jsonl")):
        sets[file.name.removesuffix(".train.jsonl")] = read_labeled(file)
    results: dict[str, dict[str, float]] = {}
    print(f"{'change':28}" + "".join(f"{name:>18}" for name in sets))
    grouped = {name: groups(data) for name, data in sets.items()}
    for change in changes():
        started = time.monotonic()
        tasks = [delayed(held_out_accuracy)(sets[name], grouped[name], change) for name in sets]
        figures = dict(zip(sets, Parallel(n_jobs=options.jobs)(tasks), strict=True))
        told = ", ".join(f"{name} {value}" for name, value in change.items()) or "the defaults"
        results[told] = figures
        row = "".join(f"{figure:18.2f}" for figure in figures.values())
        print(f"{told:28}{row}  {time.monotonic() - started:.0f} s", flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
