"""How well labeled/ teaches to read real text: learning curve, keyword list, label noise, a page.

    python benchmarks/corpus.py --data FOLDER [--labeled labeled]

FOLDER has `dev/news.jsonl`, labelled paragraphs that were never trained on, and `page/`, a
newspaper page as `*.txt` with `gold.tsv` beside it. Results go to `benchmarks/results/corpus.json`.
Figures are macro-F1 over the labels, of the most probable label, with 95 % intervals.
"""

import argparse
import csv
import json
import random
from pathlib import Path

import numpy as np

from lanmu import TopicModel
from lanmu.text import decode, paragraphs
from lanmu_training import LabeledData, TopicClassifier, evaluate, read_labeled
from lanmu_training.baseline import keyword_labels
from lanmu_training.evaluate import score
from lanmu_training.leakage import groups

SHARES = (0.25, 0.5, 0.75, 1.0)
NOISE, NOISE_SEEDS = 0.1, 5
RESULTS = Path(__file__).parent / "results" / "corpus.json"


def settings_of(folder: Path) -> dict:
    """Return the settings that the shipped model is trained with."""
    return json.loads((folder / "settings.json").read_text(encoding="utf-8"))["settings"]


def fitted(
    data: LabeledData, group: np.ndarray, labels: list[str], rows: np.ndarray, settings: dict
) -> TopicModel:
    """Train on some rows with the labels given."""
    texts = np.array(data.texts, dtype=object)
    classifier = TopicClassifier(**settings)
    return classifier.fit(texts[rows], np.array(labels)[rows], group[rows]).to_model()


def share_of_groups(group: np.ndarray, share: float) -> np.ndarray:
    """Return the rows of a random share of the articles."""
    order = np.random.default_rng(0).permutation(group.max() + 1)
    return np.flatnonzero(np.isin(group, order[: round(share * len(order))]))


def with_noise(labels: list[str], share: float, seed: int) -> list[str]:
    """Return labels of which a share is another one, at random."""
    rng, names = random.Random(seed), sorted(set(labels))
    changed = set(rng.sample(range(len(labels)), round(share * len(labels))))
    return [
        rng.choice([name for name in names if name != label]) if i in changed else label
        for i, label in enumerate(labels)
    ]


def page_hits(model: TopicModel, folder: Path) -> dict:
    """Count the body paragraphs of the page whose label is among the accepted topics."""
    (file,) = folder.glob("*.txt")
    text = decode(file.read_bytes()).text
    answers = model.label([text[start:end] for start, end in paragraphs(text)])
    with (folder / "gold.tsv").open(encoding="utf-8") as lines:
        gold = list(csv.DictReader(lines, delimiter="\t"))
    bodies = [
        answer.label in row["topics"].split(",")
        for answer, row in zip(answers, gold, strict=True)
        if row["kind"] == "body"
    ]
    return {"right": sum(bodies), "of": len(bodies)}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labeled", type=Path, default=Path("labeled"))
    options = parser.parse_args()
    data, settings = read_labeled(options.labeled), settings_of(options.labeled)
    group = groups(data)
    news = read_labeled(options.data / "dev" / "news.jsonl")
    results: dict = {"paragraphs": len(data), "settings": settings, "learning_curve": []}
    for share in SHARES:
        model = fitted(data, group, data.labels, share_of_groups(group, share), settings)
        report = evaluate(news, model).as_json()
        results["learning_curve"].append({"share": share, **report})
        low, high = report["macro_f1_interval"]
        print(f"{share:4.0%} of the corpus  {report['macro_f1']:.3f} ({low:.3f} to {high:.3f})")
    for name, scores in report["labels"].items():
        print(f"    {name:12}  F1 {scores['f1']:.3f} of {scores['support']}")
    noisy = []
    for seed in range(NOISE_SEEDS):
        labels = with_noise(data.labels, NOISE, seed)
        noisy_model = fitted(data, group, labels, np.arange(len(data)), settings)
        noisy.append(evaluate(news, noisy_model).as_json()["macro_f1"])
    results["label_noise"] = {"share": NOISE, "macro_f1": noisy, "mean": float(np.mean(noisy))}
    print(f"{NOISE:.0%} of labels wrong  {np.mean(noisy):.3f}, the mean of {noisy}")
    found = keyword_labels(data.texts, data.labels, news.texts)
    results["keyword_list"] = score(news.labels, found, groups(news)).as_json()
    print(f"keyword list         {results['keyword_list']['macro_f1']:.3f}")
    results["page"] = page_hits(model, options.data / "page")
    print(f"page: {results['page']['right']} of {results['page']['of']} body paragraphs")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
