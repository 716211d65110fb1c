"""How well labeled/ teaches to read real text, and how far its probabilities can be believed.

    python benchmarks/corpus.py --data FOLDER [--labeled labeled]

FOLDER has `dev/news.jsonl`, labelled paragraphs that were never trained on, and `page/`, a
newspaper page as `*.txt` with `gold.tsv` beside it. Results go to `benchmarks/results/corpus.json`.
Scores are macro-F1 over the labels, of the most probable label, with 95 % intervals. Measured are

- the learning curve, a keyword list, and the page's paragraphs that get an accepted topic;
- the expected calibration error in ten bins, held out by cross-validation and on dev/;
- above the probability from which 95 % of the topics given to held-out paragraphs are right: how
  many of those given on dev/ are, and how many they are to the paragraphs there that have one;
- what it costs that 10 % of the training labels are wrong: the mean of eight trainings, against the
  mean of eight that each leave out another random fiftieth of the articles. One training that
  differs by three paragraphs can differ by a point on dev/.
"""

import argparse
import csv
import json
import random
from pathlib import Path

import numpy as np

from lanmu import TopicModel
from lanmu.text import decode, paragraphs
from lanmu.topic_model import OTHER
from lanmu_training import LabeledData, TopicClassifier, evaluate, read_labeled
from lanmu_training.baseline import keyword_labels
from lanmu_training.evaluate import (
    Predictions,
    calibration_error,
    cross_validated,
    predicted_by,
    reliability,
    score,
)
from lanmu_training.leakage import groups

SHARES = (0.25, 0.5, 0.75, 1.0)
NOISE, LEFT_OUT, SEEDS = 0.1, 0.02, range(8)
PRECISION = 0.95
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


def share_of_groups(group: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Return the rows of a random share of the articles."""
    order = np.random.default_rng(seed).permutation(group.max() + 1)
    return np.flatnonzero(np.isin(group, order[: round(share * len(order))]))


def with_noise(labels: list[str], share: float, seed: int) -> list[str]:
    """Return labels of which a share is another one, at random."""
    rng, names = random.Random(seed), sorted(set(labels))
    changed = set(rng.sample(range(len(labels)), round(share * len(labels))))
    return [
        rng.choice([name for name in names if name != label]) if i in changed else label
        for i, label in enumerate(labels)
    ]


def at_precision(held_out: Predictions, news: Predictions) -> dict:
    """Return how good the topics on dev/ are above the probability that is enough held out."""
    sure, given, right = topics(held_out)
    falling = np.argsort(-sure[given], kind="stable")
    precision = np.cumsum(right[given][falling]) / np.arange(1, len(falling) + 1)
    last = np.flatnonzero(precision >= PRECISION)[-1]
    threshold = float(sure[given][falling[last]])
    sure, given, right = topics(news)
    given &= sure >= threshold
    return {
        "aim": PRECISION,
        "threshold": round(threshold, 4),
        "precision": round(float(right[given].mean()), 4),
        "coverage": round(float(given.sum() / (news.truth != OTHER).sum()), 4),
    }


def topics(predictions: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how sure each answer is, whether it is a topic, and whether it is right."""
    sure = predictions.probabilities.max(axis=1)
    return sure, predictions.predicted != OTHER, predictions.predicted == predictions.truth


def label_noise(
    data: LabeledData, group: np.ndarray, settings: dict, news: LabeledData
) -> dict[str, float | list[float]]:
    """Return what wrong labels cost."""
    rows, clean, noisy = np.arange(len(data)), [], []
    for seed in SEEDS:
        kept = share_of_groups(group, 1 - LEFT_OUT, seed)
        model = fitted(data, group, data.labels, kept, settings)
        clean.append(evaluate(news, model).as_json()["macro_f1"])
        model = fitted(data, group, with_noise(data.labels, NOISE, seed), rows, settings)
        noisy.append(evaluate(news, model).as_json()["macro_f1"])
    cost = float(np.mean(clean) - np.mean(noisy))
    return {"share": NOISE, "cost": round(cost, 4), "clean": clean, "noisy": noisy}


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
    held_out, read = cross_validated(data, **settings), predicted_by(model, news)
    errors = [calibration_error(reliability(predictions)) for predictions in (held_out, read)]
    results["calibration_error"] = dict(zip(("held out", "dev"), np.round(errors, 4), strict=True))
    print("calibration error    {:.3f} held out, {:.3f} on dev".format(*errors))
    results["at_precision"] = at_precision(held_out, read)
    print(f"topics at {PRECISION:.0%}        {results['at_precision']}")
    results["label_noise"] = label_noise(data, group, settings, news)
    print(f"{NOISE:.0%} of labels wrong  costs {results['label_noise']['cost']:.3f}")
    found = keyword_labels(data.texts, data.labels, news.texts)
    results["keyword_list"] = score(news.labels, found, groups(news)).as_json()
    print(f"keyword list         {results['keyword_list']['macro_f1']:.3f}")
    results["page"] = page_hits(model, options.data / "page")
    print(f"page: {results['page']['right']} of {results['page']['of']} body paragraphs")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
