"""Compare lanmu's speed, memory and model size with its peers', all in one run.

    python benchmarks/speed.py --data NEWS.jsonl --titles TRAIN.jsonl TEST.jsonl

NEWS.jsonl has rows with "text", TRAIN.jsonl and TEST.jsonl rows with "text" and "label". What
labels was trained on labeled/ (or on --labeled); training and accuracy are of TRAIN. On one thread:

- lanmu: the model that it comes with, and for training `TopicClassifier()`, no setting touched.
- scikit-learn: TfidfVectorizer over words, characters and pairs of characters, and LinearSVC: the
  features that lanmu has.
- fastText: over characters or words, dim 100, at the most accurate on TEST of twelve settings,
  which favours it (--quick: at the one found before). It has 200,000 buckets: as accurate as with
  its default of 2,000,000, but smaller and faster. And over characters, quantised to 20,000
  features, as its documentation advises where size matters.
- jieba and rjieba alone, which cut each paragraph into words and label nothing: the floor.

They take turns, round after round; a figure is the median of the rounds, with the lowest and the
highest, and a ratio is taken within each round. Measured are

- labelling NEWS in one call, and its longer paragraphs' first 120 characters one a call;
- a fresh process from its start to its first label, and the parts of that: imports, the dictionary
  (jieba's from its cache file), loading the model, and the first label; the peak memory once it has
  labelled NEWS too; the model file;
- training on TRAIN, preparation and saving included, and the accuracy on TEST;
- lanmu's stages, each run by itself on the blocks of texts that lanmu makes of NEWS;
- lanmu's time on awkward texts of 20,000 to 160,000 characters: the worst ratio of the least
  processor times as one doubles.

All of it goes to benchmarks/results/speed.json. A peer that is not there is reported as not
installed. It takes Linux or macOS, lanmu, and

    pip install fasttext-numpy2==0.10.4  # which a C++ compiler builds
"""
# ruff: noqa: PLC0415 - what is imported here, every process waits for whose start is measured

import gc
import importlib.util
import os
import re
import sys
import time
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from itertools import cycle, islice, pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    import argparse

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes find modules compiled, as installed
warnings.simplefilter("ignore")  # jieba 0.42.1 has invalid escapes, and imports pkg_resources

HERE = Path(__file__).resolve().parent
FIGURES = {  # the unit in bytes, seconds or fractions; whether more is better
    "labelling, MB/s": (1e6, True),
    "paragraphs/s": (1, True),
    "latency p50, ms": (1e-3, False),
    "latency p99, ms": (1e-3, False),
    "start to label, s": (1, False),
    "imports, s": (1, False),
    "dictionary, ms": (1e-3, False),
    "load, ms": (1e-3, False),
    "first label, ms": (1e-3, False),
    "training, s": (1, False),
    "accuracy, %": (1e-2, True),
    "peak memory, MB": (1e6, False),
    "model file, MB": (1e6, False),
}
FASTTEXT_BEST = {
    "fastText, characters": {"epoch": 100, "lr": 1.0, "wordNgrams": 2},
    "fastText, jieba": {"epoch": 100, "lr": 0.5, "wordNgrams": 2},
}
FASTTEXT_TOO = {  # has the setting of
    "fastText, quantised": "fastText, characters",
    "fastText, rjieba": "fastText, jieba",
}
AWKWARD = {  # a seed that is repeated; what is empty here is taken from the data
    "one character": "热",
    "dictionary word": "供热",
    "no punctuation": "",
    "digits": "0123456789",
    "Latin letters": "heating",
    "emoji": "😀🔥👍🏽",
    "mixed full-width": "ＰＭ２．５供热（１０％），Ａ",
    "newlines": "供热\n\n",
}

Cut = Callable[[str], list[str]]
Predict = Callable[[Iterable[str]], Any]
Titles = list[tuple[list[str], list[str]]]  # texts and labels to train on, and to test on
Row = dict[str, Any]  # figures by name
Rounds = dict[str, list[float]]  # a figure's values by name


class Peer(NamedTuple):
    """How a peer starts and labels.

    `modules` are imported, `cut` cuts into words, `load(path)` gives what predicts, and
    `train(texts, labels, path)` makes the file at that path.
    """

    modules: tuple[str, ...]
    cut: Cut
    load: Callable[[str], Predict]
    train: Callable[..., None] | None = None


def cut_by_jieba(text: str) -> list[str]:
    """Cut text by jieba as it is imported, without its hidden Markov model."""
    import jieba

    return jieba.lcut(text, HMM=False)


def cut_by_rjieba(text: str) -> list[str]:
    """Cut text by rjieba as it is imported, without its hidden Markov model."""
    import rjieba

    return rjieba.cut(text, hmm=False)


def cut_by_lanmu(text: str) -> list[str]:
    """Cut Han characters as lanmu does."""
    from lanmu.words import cutter

    return cutter()(text)


def cut_alone(cut: Cut, module: str) -> Peer:
    """Return a peer that cuts texts and labels nothing."""
    return Peer((module,), cut, lambda _: lambda texts: [len(cut(text)) for text in texts])


def train_lanmu(texts: list[str], labels: list[str], path: str) -> None:
    """Train lanmu's default."""
    from lanmu_training import TopicClassifier

    TopicClassifier().fit(texts, labels).to_model().save(path)


def normal(text: str) -> str:
    """Return what the peers read: half-width characters in lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def words_and_ngrams(cut: Cut, text: str) -> list[str]:
    """Return words, and with a mark before them characters and pairs of characters."""
    text = normal(text)
    features = [word for word in cut(text) if word[0].isalnum()]
    for run in re.findall(r"[^\W_]+", text):
        features += [f"_{character}" for character in run]
        features += [f"_{a}{b}" for a, b in pairwise(run)]
    return features


def sklearn(cut: Cut, module: str) -> Peer:
    """Return scikit-learn's pipeline, with the features that lanmu has."""

    def train(texts: list[str], labels: list[str], path: str, min_df: int = 1) -> None:
        import joblib
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        analyzer = partial(words_and_ngrams, cut)
        vectorizer = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, min_df=min_df)
        joblib.dump(make_pipeline(vectorizer, LinearSVC()).fit(texts, labels), path)

    parts = ("sklearn.feature_extraction.text", "sklearn.pipeline", "sklearn.svm")
    modules = ("joblib", *parts, module)
    return Peer(modules, cut, lambda path: import_module("joblib").load(path).predict, train)


def fasttext(cut: Cut, *modules: str, features: int = 0) -> Peer:
    """Return fastText on what `cut` gives, with blanks between; quantised to so many features."""

    def spaced(text: str) -> str:
        return " ".join(" ".join(cut(normal(text))).split())

    def train(texts: list[str], labels: list[str], path: str, **setting: Any) -> None:
        rows = zip(texts, labels, strict=True)
        lines = [f"__label__{quote(label)} {spaced(text)}\n" for text, label in rows]
        Path(f"{path}.txt").write_text("".join(lines), encoding="utf-8")
        fixed = {"dim": 100, "bucket": 200_000, "thread": 1, "verbose": 0}
        model = import_module("fasttext").train_supervised(f"{path}.txt", **fixed, **setting)
        if features:
            model.quantize(f"{path}.txt", cutoff=features, retrain=True, thread=1)
        model.save_model(path)

    def load(path: str) -> Predict:
        model = import_module("fasttext").load_model(path)

        def predict(texts: Iterable[str]) -> list[str]:
            best, _ = model.predict([spaced(text) for text in texts])
            return [unquote(found[0].removeprefix("__label__")) for found in best]

        return predict

    return Peer(("fasttext", *modules), cut, load, train)


PEERS = {
    "lanmu": Peer(
        ("lanmu",),
        cut_by_lanmu,
        lambda path: import_module("lanmu").load_model(path).predict,
        train_lanmu,
    ),
    "scikit-learn, jieba": sklearn(cut_by_jieba, "jieba"),
    "scikit-learn, rjieba": sklearn(cut_by_rjieba, "rjieba"),
    "fastText, characters": fasttext(list),
    "fastText, quantised": fasttext(list, features=20_000),
    "fastText, jieba": fasttext(cut_by_jieba, "jieba"),
    "fastText, rjieba": fasttext(cut_by_rjieba, "rjieba"),
    "jieba alone": cut_alone(cut_by_jieba, "jieba"),
    "rjieba alone": cut_alone(cut_by_rjieba, "rjieba"),
}


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a benchmark returns in a process of its own."""
    import json
    import subprocess

    module = function.__module__
    call = f"result = {module}.{function.__name__}(*{arguments!r})"
    program = f"import {module}; {call}; import json; print(json.dumps(result))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory() -> int:
    """Return the most bytes that this process has held.

    On Linux not by `ru_maxrss`, which begins with what the parent held when it started the process.
    """
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.findall(r"VmHWM:\s*(\d+)", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def first_label(name: str, path: str, text: str, data: str) -> Row:
    """Label one text, and then all of a file; return when the first label was there."""
    times = [time.perf_counter()]
    for module in PEERS[name].modules:
        import_module(module)
    times.append(time.perf_counter())
    PEERS[name].cut("热")
    times.append(time.perf_counter())
    predict = PEERS[name].load(path)
    times.append(time.perf_counter())
    predict([text])
    times.append(time.perf_counter())
    labelled = time.time()
    steps = [after - before for before, after in pairwise(times)]
    predict(read(data)[0])
    figures = ("imports, s", "dictionary, ms", "load, ms", "first label, ms")
    whole = {"start to label, s": labelled, "peak memory, MB": peak_memory()}
    return whole | dict(zip(figures, steps, strict=True))


def read(path: str | Path) -> tuple[list[str], list[str]]:
    """Return the texts and labels of a file, or of all files of a folder."""
    import json

    files = sorted(Path(path).glob("*.jsonl")) if Path(path).is_dir() else [Path(path)]
    lines = [line for file in files for line in file.read_text("utf-8").split("\n") if line]
    rows = [json.loads(line) for line in lines]
    return [row["text"] for row in rows], [row.get("label", "") for row in rows]


def say(what: str) -> None:
    """Tell on stderr what runs."""
    print(what, file=sys.stderr, flush=True)


def seconds(
    task: Callable[..., Any], *arguments: Any, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return how long a call takes."""
    started = clock()
    task(*arguments)
    return clock() - started


def alternate(
    what: str, rounds: int, names: Iterable[str], task: Callable[[str], Row]
) -> dict[str, Rounds]:
    """Run a task for each name in turn, round after round; return each one's figures."""
    found: dict[str, Rounds] = {name: defaultdict(list) for name in names}
    for i, name in product(range(rounds), found):
        say(f"{what}, round {i + 1} of {rounds}: {name}")
        for figure, value in task(name).items():
            found[name][figure].append(value)
    return found


def labelling(predict: Predict, texts: list[str], short: list[str]) -> Row:
    """Measure labelling texts in one call, and short ones one a call."""
    taken = seconds(predict, texts)
    each = sorted(seconds(predict, [text]) for text in short)
    return {
        "labelling, MB/s": sum(len(text.encode()) for text in texts) / taken,
        "paragraphs/s": len(texts) / taken,
        "latency p50, ms": each[len(each) // 2],
        "latency p99, ms": each[len(each) * 99 // 100],
    }


def start(name: str, path: str, text: str, data: str) -> Row:
    """Measure a fresh process, and the model file that it loads."""
    started = time.time()
    found = in_fresh_process(first_label, name, path, text, data)
    found["start to label, s"] -= started
    return found | ({"model file, MB": Path(path).stat().st_size} if Path(path).exists() else {})


def training(name: str, titles: Titles, path: str, setting: Row) -> Row:
    """Measure training on the first titles, and the accuracy on the second ones."""
    (texts, labels), (test_texts, test_labels) = titles
    taken = seconds(partial(PEERS[name].train, **setting), texts, labels, path)
    pairs = zip(PEERS[name].load(path)(test_texts), test_labels, strict=True)
    right = sum(found == label for found, label in pairs)
    return {"training, s": taken, "accuracy, %": right / len(test_labels)}


def best_setting(name: str, titles: Titles, path: str) -> Row:
    """Return the most accurate of twelve settings of fastText's."""
    tried = []
    for epoch, lr, ngrams in product((25, 50, 100), (0.5, 1.0), (2, 3)):
        setting = {"epoch": epoch, "lr": lr, "wordNgrams": ngrams}
        tried.append((training(name, titles, path, setting)["accuracy, %"], setting))
        say(f"{name}, {setting}: {tried[-1][0]:.4f}")
    return max(tried, key=lambda pair: pair[0])[1]


def stages(path: str, texts: list[str]) -> Row:
    """Measure the stages of lanmu's labelling; to merge is what of counting is none of the rest."""
    from lanmu import features, load_model
    from lanmu.words import cutter

    model = load_model(path)
    vocabulary, cut = model.vocabulary, cutter(model.user_words)
    idf = features.smoothed_idf(model.document_frequencies, model.n_texts)
    weights = model.coefficients.T.copy()
    spent: dict[str, float] = defaultdict(float)

    def timed(stage: str, function: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments)
        spent[stage] += time.perf_counter() - started
        return result

    for part in features.blocks(texts):
        block = timed("normalise, block", features.Block.of, part)
        ngrams = timed("n-gram look-up", features.ngrams, block, vocabulary)
        words = timed("cut", block.words, cut)
        timed("word look-up", vocabulary.of_words, words, ngrams)
        counts = timed("merge", features.count, block, vocabulary, words)
        idf_of_each = timed("gather", idf.take, counts.features)
        weights_of_each = timed("gather", weights.take, counts.features, 0)
        rows = timed("weigh", features.tfidf, counts, idf_of_each)
        timed("score", features.scores, rows, weights_of_each)
    spent["merge"] -= spent["word look-up"] + spent["n-gram look-up"]
    return spent


def doubling(predict: Predict, texts: list[str], rounds: int) -> Row:
    """Measure one text of each awkward kind as it doubles, and the worst ratio of least times."""
    lengths = [20_000 << i for i in range(4)]
    han = "".join(re.findall("[一-龥]+", "".join(texts)))

    def task(kind: str) -> Row:
        seed = AWKWARD[kind] or han
        awkward = ["".join(islice(cycle(seed), length)) for length in lengths]
        measured = partial(seconds, predict, clock=time.process_time)
        return {str(len(text)): min(measured([text]) for _ in range(3)) for text in awkward}

    found: Row = alternate("doubling", rounds, AWKWARD, task)
    for times in found.values():
        least = [min(times[str(length)]) for length in lengths]
        times["worst ratio"] = max(after / before for before, after in pairwise(least))
    return found


def shipped_min_df() -> int:
    """Return in how many texts a feature of lanmu's own model must be."""
    from lanmu import load_model

    return load_model().card["settings"]["min_df"]


def ratios(ours: Rounds, theirs: Rounds) -> Rounds:
    """Return how many times better lanmu is, round by round."""
    found = {}
    for figure in theirs.keys() - {"accuracy, %"}:
        pairs = zip(ours[figure], theirs[figure], strict=True)
        more_is_better = FIGURES[figure][1]
        found[figure] = [our / their if more_is_better else their / our for our, their in pairs]
    return found


def measure(options: "argparse.Namespace", folder: str) -> Row:
    """Measure everything; return what goes into the results."""
    from lanmu.model_file import SHIPPED

    described = machine()
    data, rounds = str(options.data), options.rounds
    texts, titles = read(data)[0], [read(path) for path in options.titles]
    paths = {name: f"{folder}/{name}" for name in PEERS} | {"lanmu": str(SHIPPED)}
    titles_path = f"{folder}/titles"
    there = [
        name
        for name, peer in PEERS.items()
        if all(importlib.util.find_spec(module.split(".")[0]) for module in peer.modules)
    ]
    trained = [name for name in there if PEERS[name].train]
    best = FASTTEXT_BEST
    if not options.quick:
        best = {name: best_setting(name, titles, titles_path) for name in best if name in there}
    settings = {name: best.get(FASTTEXT_TOO.get(name, name), {}) for name in trained}
    for name in trained[1:]:
        say(f"training on labelled paragraphs: {name}")
        setting = {"min_df": shipped_min_df()} if "scikit" in name else settings[name]
        PEERS[name].train(*read(options.labeled), paths[name], **setting)
    predict = {name: PEERS[name].load(paths[name]) for name in there}
    short = [text[:120] for text in texts if len(text) >= 120][:1000] or texts[:1000]
    for name in there:
        predict[name](short[:10])
    gc.collect()
    gc.freeze()  # what one peer keeps is no work for the collector while another one runs

    peers: dict[str, Rounds] = {name: {} for name in there}
    for what, names, task in (
        ("labelling", there, lambda name: labelling(predict[name], texts, short)),
        ("fresh process", there, lambda name: start(name, paths[name], short[0], data)),
        ("training", trained, lambda name: training(name, titles, titles_path, settings[name])),
    ):
        for name, figures in alternate(what, rounds, names, task).items():
            peers[name] |= {
                figure: [value / FIGURES[figure][0] for value in values]
                for figure, values in figures.items()
            }

    return {
        "machine": described,
        "data": {"paragraphs": len(texts), "bytes": sum(len(text.encode()) for text in texts)},
        "rounds": rounds,
        "settings": settings,
        "peers": {name: peers.get(name, "not installed") for name in PEERS},
        "ratios": {name: ratios(peers["lanmu"], peers[name]) for name in there[1:]},
        "stages": alternate("stages", rounds, ["lanmu"], lambda _: stages(paths["lanmu"], texts)),
        "doubling": doubling(predict["lanmu"], texts, rounds),
    }


def machine() -> Row:
    """Describe the machine and the packages."""
    import platform
    from importlib import metadata

    distributions = metadata.packages_distributions()
    modules = ("lanmu", "numpy", "scipy", "sklearn", "joblib", "jieba", "rjieba", "fasttext")
    there = [module for module in modules if importlib.util.find_spec(module)]
    names = [distributions.get(module, [module])[0] for module in there]
    cpu_info = Path("/proc/cpuinfo")
    cpu = re.findall(r"model name\s*: (.*)", cpu_info.read_text() if cpu_info.exists() else "")
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in names},
    }


def condensed(found: Any) -> Any:
    """Return results with each list of rounds as its median, lowest and highest."""
    from statistics import median

    if isinstance(found, dict):
        return {name: condensed(value) for name, value in found.items()}
    if isinstance(found, list):
        spread = {"median": median(found), "lowest": min(found), "highest": max(found)}
        return condensed(spread)
    return float(f"{found:.4g}") if isinstance(found, float) else found


def cell(value: Any) -> str:
    """Return a figure as text: the median (lowest-highest)."""
    if isinstance(value, str):
        return value
    three = [f"{number:,.{0 if number >= 100 else 2}f}" for number in value.values()]
    return three[0] if three[1] == three[2] else f"{three[0]} ({three[1]}-{three[2]})"


def table(title: str, rows: dict[str, Any]) -> str:
    """Return rows of condensed figures as text."""
    lines = []
    for columns in (list(FIGURES)[i : i + 4] for i in range(0, len(FIGURES), 4)):
        lines.append(f"\n{title:22}" + "".join(f"{column:>26}" for column in columns))
        for name, row in rows.items():
            values = [row if isinstance(row, str) else row.get(column, "-") for column in columns]
            lines.append(f"{name:22}" + "".join(f"{cell(value):>26}" for value in values))
    return "\n".join(lines)


def report(results: Row) -> str:
    """Return the results as tables, the ratios last."""
    spent = results["stages"]["lanmu"]
    whole = sum(stage["median"] for stage in spent.values())
    lines = [table("", results["peers"])]
    lines.append("\nlanmu's stages, share of labelling")
    lines += [f"{name:22}{stage['median'] / whole:26.1%}" for name, stage in spent.items()]
    lines.append("\nlanmu on awkward text, worst ratio of a doubling")
    lines += [f"{kind:22}{row['worst ratio']:26.2f}" for kind, row in results["doubling"].items()]
    lines.append(table("lanmu is better, times", results["ratios"]))
    if "rjieba alone" in results["ratios"]:
        share = cell(results["ratios"]["rjieba alone"]["labelling, MB/s"])
        lines.append(f"\nlanmu labels at {share} of the speed at which rjieba alone cuts")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables and write the results."""
    import argparse
    import json
    import logging
    import tempfile

    logging.disable(logging.INFO)  # jieba tells how it loads
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    absolute = {"type": lambda path: Path(path).resolve()}
    parser.add_argument("--data", required=True, metavar="JSONL", help="texts to label", **absolute)
    parser.add_argument(
        "--titles", required=True, nargs=2, metavar=("TRAIN", "TEST"), help="labelled", **absolute
    )
    parser.add_argument(
        "--labeled", default=HERE.parent / "labeled", help="folder to train on", **absolute
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one setting of fastText's")
    options = parser.parse_args()
    if not read(options.labeled)[0]:
        parser.error(f"{options.labeled} has no labelled paragraphs: give --labeled")
    with tempfile.TemporaryDirectory() as folder:
        results = condensed(measure(options, folder))
    print(report(results))
    file = HERE / "results" / "speed.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import speed  # the models name functions of this module, and not of __main__

    speed.main()
