"""The whole judgement of a model, or of training on some data: can I rely on it, where not, why."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lanmu.errors import LanmuError
from lanmu.topic_model import OTHER, TopicModel
from lanmu_training.baseline import keyword_labels
from lanmu_training.evaluate import (
    Bin,
    Predictions,
    Report,
    calibration_error,
    cross_validated,
    predicted_by,
    reliability,
    score,
)
from lanmu_training.labeled_data import LabeledData
from lanmu_training.leakage import folds
from lanmu_training.progress import Progress, quiet

SHARES = (0.25, 0.5, 0.75)
"""The shares of the data, besides all of it, at which the learning curve is measured."""
_MISTAKES = 20
_WORDS = 6


@dataclass(frozen=True, slots=True)
class Point:
    """At `probability` or more: the share of topic paragraphs answered, and of answers right."""

    probability: float
    coverage: float
    precision: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer, how sure it was, and the words that decided: (word, weight)."""

    source: str
    text: str
    truth: str
    predicted: str
    probability: float
    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class FullReport:
    """Scores, what to compare them with, and what lies behind them.

    `how` says in a sentence how the paragraphs were held out. `keywords` is the macro-F1 of the
    keyword list; `random_split` that of a split which parts articles and near-duplicates;
    `learning_curve` gives (share of the data, macro-F1). These are None or empty where a finished
    model was judged. `coverage` is over the topics, `other` left out.
    """

    how: str
    scores: Report
    keywords: float | None
    random_split: float | None
    reliability: tuple[Bin, ...]
    calibration_error: float
    coverage: tuple[Point, ...]
    learning_curve: tuple[tuple[float, float], ...]
    mistakes: tuple[Mistake, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        confusion = {"answers": self.scores.answers, "confusion": self.scores.confusion}
        return {**asdict(self), "scores": self.scores.as_json() | confusion}


def full_report(
    data: LabeledData,
    model: TopicModel | None = None,
    *,
    progress: Progress = quiet,
    **settings: Any,
) -> FullReport:
    """Judge a model on labelled paragraphs, or, without one, the settings by cross-validation.

    The arguments and errors are those of `evaluate`.
    """
    if model is not None:
        predictions = predicted_by(model, data)
        how = f"A finished model was judged on {len(data)} paragraphs."
        return _report(predictions, how)
    predictions = cross_validated(data, progress=progress, **settings)
    how = (
        f"{len(data)} paragraphs, each labelled by a model that was trained without its article "
        f"and its near-duplicates, in {len(predictions.models)} folds."
    )
    at_random = cross_validated(data, grouped=False, progress=progress, **settings)
    curve = [
        (share, cross_validated(data, share=share, progress=progress, **settings).report().macro_f1)
        for share in SHARES
    ]
    return _report(
        predictions,
        how,
        keywords=_keyword_f1(predictions),
        random_split=at_random.report().macro_f1,
        learning_curve=(*curve, (1.0, predictions.report().macro_f1)),
    )


def _report(
    predictions: Predictions,
    how: str,
    keywords: float | None = None,
    random_split: float | None = None,
    learning_curve: tuple[tuple[float, float], ...] = (),
) -> FullReport:
    bins = reliability(predictions)
    return FullReport(
        how=how,
        scores=predictions.report(),
        keywords=keywords,
        random_split=random_split,
        reliability=bins,
        calibration_error=calibration_error(bins),
        coverage=coverage(predictions),
        learning_curve=learning_curve,
        mistakes=_mistakes(predictions),
    )


def _keyword_f1(predictions: Predictions) -> float:
    texts = np.array(predictions.data.texts, dtype=object)
    found = np.empty(len(texts), dtype=object)
    for train, test in folds(predictions.truth, predictions.group):
        labels = predictions.truth[train].tolist()
        found[test] = keyword_labels(texts[train].tolist(), labels, texts[test].tolist())
    return score(predictions.truth, found, predictions.group).macro_f1


def coverage(predictions: Predictions) -> tuple[Point, ...]:
    """Return, for rising probabilities, how many paragraphs get an answer, and how many rightly.

    An answer is the most probable label besides `other`. Coverage is the share, of the paragraphs
    that have a topic, that are answered; precision the share of all answers that are right.
    """
    topics = [k for k, label in enumerate(predictions.labels) if label != OTHER]
    names = np.array(predictions.labels, dtype=object)[topics]
    probabilities = predictions.probabilities[:, topics]
    sure, answer = probabilities.max(axis=1), names[probabilities.argmax(axis=1)]
    has_topic, right = predictions.truth != OTHER, answer == predictions.truth
    points = []
    for probability in np.arange(0.05, 1.0, 0.01).round(2).tolist():
        answered = sure >= probability
        if answered.any():
            share = float((answered & has_topic).sum() / max(has_topic.sum(), 1))
            points.append(Point(probability, share, float(right[answered].mean())))
    return tuple(points)


def _mistakes(predictions: Predictions) -> tuple[Mistake, ...]:
    sure = predictions.probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    mistakes = []
    for i in wrong[np.argsort(-sure[wrong], kind="stable")][:_MISTAKES].tolist():
        example, predicted = predictions.data.examples[i], predictions.predicted[i]
        model = predictions.models[predictions.model_of[i]]
        label = predicted if predicted in model.labels else None
        spans = model.explain(example.text, label).spans
        strongest = sorted(spans, key=lambda span: -span.weight)[:_WORDS]
        words = tuple(
            (span.text, round(span.weight, 2)) for span in strongest if span.weight >= 0.01
        )
        mistakes.append(
            Mistake(example.source, example.text, example.label, predicted, float(sure[i]), words)
        )
    return tuple(mistakes)


def write_report(report: FullReport, folder: str | Path) -> None:
    """Write `report.json` and the self-contained page `report.html` into a folder.

    Raises
    ------
    LanmuError
        matplotlib, the extra `report`, is not installed.
    """
    try:
        from lanmu_training.report_page import page  # noqa: PLC0415 - matplotlib is an extra
    except ModuleNotFoundError as error:
        raise LanmuError(
            f"the report's pictures need {error.name}; run: pip install 'lanmu[report]'"
        ) from error
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    as_json = json.dumps(report.as_json(), ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(as_json + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(report), encoding="utf-8")
