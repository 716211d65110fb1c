"""Compare the accuracy of lanmu's default with its peers' on labelled sets of Chinese texts.

    python benchmarks/accuracy.py --data FOLDER [--quick]

FOLDER has a NAME.train.jsonl and a NAME.test.jsonl for each set, a line of which is
{"text": ..., "label": ...}. All train and test on the same texts, in one run, on one thread:

- lanmu: `TopicClassifier()`, no setting touched.
- scikit-learn: the plain pipeline over jieba's words, as a user writes it in ten lines.
- fastText: over words and over characters, 24 settings. The best on the test texts counts, which
  favours it: nobody could have picked it beforehand. The texts are in lower case and their words
  parted by blanks, as its documentation advises.
- LibMultiLabel: its linear one-vs-rest machines and its TF-IDF over jieba's words, 4 settings: its
  default, which drops words of one character, and all words; LIBLINEAR's options as its functions
  have them and as its example configurations do. The best on the test texts counts, too.

Measured are the accuracy, the macro-F1 over the labels of the test texts, and the seconds that
training takes, cutting into words included and jieba's dictionary loaded before: the median, least
and most of three rounds, in each of which every peer trains once, at the setting that counts. The
exact McNemar test (two-sided binomial on the texts that one has right and the other wrong) tells
how likely so large a difference from lanmu is by chance alone. All of it, every setting tried
included, goes to benchmarks/results/accuracy.json.

Needs lanmu and, of the peers, what is there; a peer that isn't is reported as not installed:

    pip install jieba==0.42.1 fasttext-numpy2==0.10.4 libmultilabel==0.10.0

LibMultiLabel imports torch (tried: 2.13.0 for CPUs); its linear machines don't run on it.
"""

import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import logging
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from scipy.stats import binomtest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from lanmu_training import TopicClassifier

with warnings.catch_warnings():  # jieba 0.42.1 has invalid escapes, and imports pkg_resources
    warnings.simplefilter("ignore")
    import jieba

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
ROUNDS = 3  # of training, for its seconds
FASTTEXT_SETTINGS = [
    {"unit": unit, "epoch": epoch, "lr": lr, "wordNgrams": ngrams}
    for unit, epoch, lr, ngrams in itertools.product(
        ("words", "characters"), (25, 50, 100), (0.5, 1.0), (2, 3)
    )
]
LIBMULTILABEL_SETTINGS = [
    {"words": words, "options": options}
    for words, options in itertools.product(
        ("two characters or more", "all"), ("", "-s 1 -B 1 -e 0.0001")
    )
]

Predict = Callable[[list[str]], list[str]]
Set = dict[str, list[str]]  # the columns "text" and "label"
Row = dict[str, Any]


def fit_lanmu(texts: list[str], labels: list[str]) -> Predict:
    """Train lanmu's default."""
    classifier = TopicClassifier().fit(texts, labels)
    return lambda texts: classifier.predict(texts).tolist()


def fit_sklearn(texts: list[str], labels: list[str]) -> Predict:
    """Train scikit-learn's plain pipeline."""
    vectorizer = TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None)
    pipeline = make_pipeline(vectorizer, LinearSVC()).fit(texts, labels)
    return lambda texts: pipeline.predict(texts).tolist()


def fit_fasttext(texts: list[str], labels: list[str], *, unit: str, **settings: Any) -> Predict:
    """Train fastText over words or characters."""
    import fasttext  # noqa: PLC0415 - it may not be installed

    def prepared(text: str) -> str:
        parts = jieba.lcut(text.lower()) if unit == "words" else text.lower()
        return " ".join(" ".join(parts).split())

    names = sorted(set(labels))  # numbered: fastText's labels have no blanks
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "train.txt")
        rows = zip(texts, labels, strict=True)
        lines = [f"__label__{names.index(label)} {prepared(text)}\n" for text, label in rows]
        file.write_text("".join(lines), encoding="utf-8")
        model = fasttext.train_supervised(str(file), dim=100, thread=1, verbose=0, **settings)

    def predict(texts: list[str]) -> list[str]:
        best, _ = model.predict([prepared(text) for text in texts])
        return [names[int(found[0].removeprefix("__label__"))] for found in best]

    return predict


def fit_libmultilabel(texts: list[str], labels: list[str], *, words: str, options: str) -> Predict:
    """Train LibMultiLabel's linear one-vs-rest machines."""
    from libmultilabel import linear  # noqa: PLC0415 - it may not be installed

    def cut(texts: list[str]) -> list[str]:
        return [" ".join(jieba.lcut(text)) for text in texts]

    tfidf = {} if words == "two characters or more" else {"token_pattern": r"(?u)\S+"}
    preprocessor = linear.Preprocessor(tfidf_params=tfidf)
    train = {"x": cut(texts), "y": [[label] for label in labels]}
    rows = preprocessor.fit_transform({"data_format": "txt", "train": train})["train"]
    with mock.patch("psutil.cpu_count", return_value=1):  # from which it takes its threads
        model = linear.train_1vsrest(rows["y"], rows["x"], True, options, verbose=False)

    def predict(texts: list[str]) -> list[str]:
        values = model.predict_values(preprocessor.vectorizer.transform(cut(texts)))
        return preprocessor.label_mapping[values.argmax(axis=1)].tolist()

    return predict


PEERS = {  # name: the module it needs, how it trains, its settings
    "lanmu": ("lanmu_training", fit_lanmu, [{}]),
    "scikit-learn": ("sklearn", fit_sklearn, [{}]),
    "fastText": ("fasttext", fit_fasttext, FASTTEXT_SETTINGS),
    "LibMultiLabel": ("libmultilabel", fit_libmultilabel, LIBMULTILABEL_SETTINGS),
}


def read(path: Path) -> Set:
    """Return the texts and labels of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return {column: [row[column] for row in rows] for column in ("text", "label")}


def timed_fit(peer: str, train: Set, settings: Row) -> tuple[Predict, float]:
    """Train a peer; return what predicts, and the seconds."""
    start = time.perf_counter()
    predict = PEERS[peer][1](train["text"], train["label"], **settings)
    return predict, time.perf_counter() - start


def try_settings(peer: str, train: Set, test: Set, quick: bool) -> tuple[Row, list[str]]:
    """Try a peer's settings; return figures of the best and of all, and the best's answers."""
    tried, best_right = [], -1.0
    for settings in PEERS[peer][2][:: 12 if quick else 1]:
        predict, seconds = timed_fit(peer, train, settings)
        answers = predict(test["text"])
        right = accuracy_score(test["label"], answers)
        say(f"{peer} {setting_text(settings)}: {right:.4f}, trained in {seconds:.1f} s")
        tried.append({**settings, "accuracy": right, "train_seconds": seconds})
        if right > best_right:
            best_right, best_settings, best_answers = right, settings, answers
    labels = sorted(set(test["label"]))
    f1 = f1_score(test["label"], best_answers, labels=labels, average="macro", zero_division=0)
    figures = {"accuracy": best_right, "macro_f1": f1, "settings": best_settings, "tried": tried}
    return figures, best_answers


def mcnemar(answers: list[str], others: list[str], labels: list[str]) -> Row:
    """Return how many texts only the first has right, only the other, and the exact test's p."""
    rows = list(zip(answers, others, labels, strict=True))
    first = sum(one == label != other for one, other, label in rows)
    other = sum(other == label != one for one, other, label in rows)
    p = binomtest(first, first + other).pvalue if first + other else 1.0
    return {"only_lanmu_right": first, "only_peer_right": other, "p": p}


def measure(train: Set, test: Set, quick: bool) -> Row:
    """Return every peer's figures on one set."""
    figures: Row = {}
    answers = {}
    for peer, (module, _, _) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            figures[peer] = "not installed"
            say(f"{peer}: not installed")
            continue
        figures[peer], answers[peer] = try_settings(peer, train, test, quick)
        if peer != "lanmu":
            figures[peer]["mcnemar"] = mcnemar(answers["lanmu"], answers[peer], test["label"])
    seconds: dict[str, list[float]] = {peer: [] for peer in answers}
    for number, peer in itertools.product(range(1 if quick else ROUNDS), answers):
        seconds[peer].append(timed_fit(peer, train, figures[peer]["settings"])[1])
        say(f"round {number + 1}, {peer}: trained in {seconds[peer][-1]:.1f} s")
    for peer, each in seconds.items():
        figures[peer]["train_seconds"] = {
            "median": statistics.median(each), "least": min(each), "most": max(each)
        }  # fmt: skip
    return {
        "train_size": len(train["text"]),
        "test_size": len(test["text"]),
        "classes": len(set(train["label"])),
        "peers": figures,
    }


def machine() -> Row:
    """Describe the machine and the packages."""
    distributions = importlib.metadata.packages_distributions()
    modules = ["lanmu", "rjieba", "jieba", "numpy", "scipy", "sklearn", "fasttext"]
    there = filter(importlib.util.find_spec, [*modules, "libmultilabel"])
    names = [distributions.get(module, [module])[0] for module in there]
    cpu_info = Path("/proc/cpuinfo")
    models = cpu_info.read_text().split("model name\t: ")[1:] if cpu_info.exists() else []
    return {
        "cpu": models[0].split("\n")[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in names},
    }


def setting_text(settings: Row) -> str:
    """Return settings in a few words."""
    return ", ".join(f"{name} {value or 'none'}" for name, value in settings.items()) or "defaults"


def table(sets: dict[str, Row]) -> str:
    """Return the figures as text."""
    lines = []
    for name, one in sets.items():
        sizes = f"{one['train_size']} to train, {one['test_size']} to test"
        lines.append(f"\n{name}: {one['classes']} classes, {sizes}")
        lines.append(
            f"{'':15}accuracy  macro-F1  training, s (least-most)  McNemar's p (only lanmu right :"
            " only it)"
        )
        for peer, row in one["peers"].items():
            if row == "not installed":
                lines.append(f"{peer:15}not installed")
                continue
            seconds = row["train_seconds"]
            spread = f"{seconds['median']:.1f} ({seconds['least']:.1f}-{seconds['most']:.1f})"
            line = f"{peer:15}{row['accuracy']:8.4f}  {row['macro_f1']:8.4f}  {spread:>24}  "
            if peer != "lanmu":
                test = row["mcnemar"]
                line += f"{test['p']:.2g} ({test['only_lanmu_right']} : {test['only_peer_right']})"
                line += f"  [{setting_text(row['settings'])}]"
            lines.append(line)
    return "\n".join(lines)


def say(line: str) -> None:
    """Tell the progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure each set and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument(
        "--quick", action="store_true", help="two of fastText's settings, one round, no file"
    )
    options = parser.parse_args()
    trains = sorted(options.data.glob("*.train.jsonl"))
    if not trains:
        parser.error(f"no file in {options.data} ends in .train.jsonl")
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    TopicClassifier().fit(["供热", "停暖", "候鸟", "湿地"], [0, 0, 1, 1])  # loads its dictionary
    sets: dict[str, Row] = {}
    for path in trains:
        name = path.name.removesuffix(".train.jsonl")
        say(f"--- {name}")
        test = read(path.with_name(f"{name}.test.jsonl"))
        sets[name] = measure(read(path), test, options.quick)
        if not options.quick:  # after each set: the whole takes hours
            RESULTS.parent.mkdir(exist_ok=True)
            report = json.dumps({"machine": machine(), "sets": sets}, ensure_ascii=False, indent=1)
            RESULTS.write_text(report + "\n", encoding="utf-8")
    print(table(sets))


if __name__ == "__main__":
    main()
