"""How good a model is: on paragraphs held out by whole groups, or on a labelled file."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from lanmu import TopicModel
from lanmu.features import Floats, Ints
from lanmu_training.classifier import TopicClassifier
from lanmu_training.labeled_data import LabeledData, LabeledDataError, check_trainable
from lanmu_training.leakage import folds, groups
from lanmu_training.progress import Progress, quiet

_RESAMPLES = 1000
_BINS = 10
NO_LABEL = "(none)"
"""What stands for the answer of a model that gives a text no label."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Precision, recall and F1 of one label, 0 to 1, over its `support` paragraphs."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of predicted labels against true ones.

    `macro_f1` is the mean of the labels' F1, with its 95 % interval by bootstrap over groups of
    paragraphs; `majority_accuracy` is what always answering the commonest label would reach.
    `confusion[i][j]` counts paragraphs of the i-th label that got the j-th of `answers`.
    """

    labels: tuple[LabelScore, ...]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    accuracy: float
    majority_accuracy: float
    answers: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """Return the scores as plain values, rounded to four places."""
        return {
            "labels": {
                score.label: {
                    "precision": round(score.precision, 4),
                    "recall": round(score.recall, 4),
                    "f1": round(score.f1, 4),
                    "support": score.support,
                }
                for score in self.labels
            },
            "macro_f1": round(self.macro_f1, 4),
            "macro_f1_interval": [round(end, 4) for end in self.macro_f1_interval],
            "accuracy": round(self.accuracy, 4),
            "majority_accuracy": round(self.majority_accuracy, 4),
        }


@dataclass(frozen=True, slots=True)
class Predictions:
    """What models say of paragraphs that they never saw.

    `probabilities` has shape (n_paragraphs, n_labels), in the order of `labels`; `predicted` is the
    most probable label, or `NO_LABEL`; `models[model_of[i]]` is the one that read paragraph i.
    """

    data: LabeledData
    group: Ints
    labels: tuple[str, ...]
    probabilities: Floats
    predicted: NDArray[Any]
    models: tuple[TopicModel, ...]
    model_of: Ints

    @property
    def truth(self) -> NDArray[Any]:
        """The true labels, shape (n_paragraphs,)."""
        return np.array(self.data.labels, dtype=object)

    def report(self) -> Report:
        """Return the scores."""
        return score(self.truth, self.predicted, self.group)


def evaluate(
    data: LabeledData,
    model: TopicModel | None = None,
    *,
    progress: Progress = quiet,
    **settings: Any,
) -> Report:
    """Judge a model on labelled paragraphs, or, without one, the settings by cross-validation.

    Parameters
    ----------
    data
        With a model, paragraphs that it was not trained on.
    model
        Its most probable labels are judged.
    progress
        Told of each fold that is done.
    settings
        Of `TopicClassifier`, for cross-validation in five folds that part no article and no
        near-duplicates.

    Raises
    ------
    LabeledDataError
        The data can't be trained on, or has a label that the model doesn't know.
    """
    if model is not None:
        return predicted_by(model, data).report()
    return cross_validated(data, progress=progress, **settings).report()


def predicted_by(model: TopicModel, data: LabeledData) -> Predictions:
    """Return what a model says of labelled paragraphs."""
    for example in data:
        if example.label not in model.labels:
            raise LabeledDataError(
                f"{example.source}: field 'label' is {example.label!r}, none of the model's "
                f"{', '.join(model.labels)}; correct it or leave the row out"
            )
    return Predictions(
        data=data,
        group=groups(data),
        labels=model.labels,
        probabilities=_evident(model, data.texts),
        predicted=_named(model.predict(data.texts)),
        models=(model,),
        model_of=np.zeros(len(data), np.int64),
    )


def cross_validated(
    data: LabeledData,
    *,
    share: float = 1.0,
    grouped: bool = True,
    progress: Progress = quiet,
    **settings: Any,
) -> Predictions:
    """Return what models say of paragraphs held out in five folds.

    Parameters
    ----------
    share
        The share of the groups outside a fold that its model is trained on: for learning curves.
    grouped
        False parts articles and near-duplicates at random, as most toolkits do, and gives figures
        that promise too much: for comparison.
    progress
        Told of each fold that is done.
    settings
        Of `TopicClassifier`.
    """
    group = groups(data)
    check_trainable(data, group, n_groups=3)  # of which two are left to train on
    held_out = folds(data.labels, group if grouped else None, keep=2)
    texts, truth = np.array(data.texts, dtype=object), np.array(data.labels)

    def fitted(train: Ints) -> TopicModel:
        train = _part(train, truth, group, share)
        within = group[train] if grouped else None
        return TopicClassifier(**settings).fit(texts[train], truth[train], within).to_model()

    fits = Parallel(return_as="generator")(delayed(fitted)(train) for train, _ in held_out)
    models = tuple(progress(fits, len(held_out), "folds"))
    labels = tuple(sorted(set(data.labels)))
    probabilities = np.zeros((len(data), len(labels)))
    predicted = np.empty(len(data), dtype=object)
    model_of = np.empty(len(data), np.int64)
    for number, (model, (_, test)) in enumerate(zip(models, held_out, strict=True)):
        columns = np.searchsorted(labels, model.labels)
        probabilities[np.ix_(test, columns)] = _evident(model, texts[test])
        predicted[test] = _named(model.predict(texts[test]))
        model_of[test] = number
    return Predictions(data, group, labels, probabilities, predicted, models, model_of)


def _part(train: Ints, truth: NDArray[Any], group: Ints, share: float) -> Ints:
    """Return the rows of a share of each label's groups, two at least.

    What a smaller share has, a larger one has too.
    """
    chosen: list[int] = []
    for label in np.unique(truth[train]):
        own = np.random.default_rng(0).permutation(np.unique(group[train][truth[train] == label]))
        chosen += own[: max(2, round(share * len(own)))].tolist()
    return train[np.isin(group[train], chosen)]


def _evident(model: TopicModel, texts: Iterable[str]) -> Floats:
    """Return the labels' probabilities: 0 for a text that gives no evidence."""
    probabilities = model.predict_proba(texts)
    probabilities[[answer.probability is None for answer in model.label(texts)]] = 0.0
    return probabilities


def _named(predicted: list[str | None]) -> NDArray[Any]:
    return np.array([label or NO_LABEL for label in predicted], dtype=object)


def score(
    truth: NDArray[Any] | Sequence[str], predicted: NDArray[Any] | Sequence[str], group: Ints
) -> Report:
    """Compare predicted labels with true ones, each of shape (n,); `group` is resampled whole.

    >>> report = score(["a", "a", "b"], ["a", "b", "b"], np.arange(3))
    >>> [round(label.f1, 3) for label in report.labels], round(report.accuracy, 3)
    ([0.667, 0.667], 0.667)
    """
    labels = sorted(set(truth))
    answers = labels + sorted(set(predicted) - set(labels))
    number = {answer: k for k, answer in enumerate(answers)}
    true = np.array([number[label] for label in truth])
    answer = np.array([number[label] for label in predicted])
    pairs = true * len(answers) + answer
    size = len(labels), len(answers)
    confusion = np.bincount(pairs, minlength=size[0] * size[1]).reshape(size)
    precision, recall, f1 = _precision_recall_f1(confusion)
    commonest = Counter(truth).most_common(1)[0][1]
    return Report(
        labels=tuple(
            LabelScore(label, float(precision[k]), float(recall[k]), float(f1[k]), int(n))
            for k, (label, n) in enumerate(zip(labels, confusion.sum(axis=1), strict=True))
        ),
        macro_f1=float(f1.mean()),
        macro_f1_interval=_interval(pairs, size, group),
        accuracy=float((true == answer).mean()),
        majority_accuracy=commonest / len(true),
        answers=tuple(answers),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _precision_recall_f1(confusion: Ints) -> tuple[Floats, Floats, Floats]:
    hits = np.diagonal(confusion).astype(float)
    answered, there = confusion.sum(axis=0)[: len(hits)], confusion.sum(axis=1)
    precision = hits / np.maximum(answered, 1)
    recall = hits / np.maximum(there, 1)
    return precision, recall, 2 * hits / np.maximum(answered + there, 1)


def _interval(pairs: Ints, size: tuple[int, int], group: Ints) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of macro-F1 over resampled groups (Efron 1979)."""
    _, group = np.unique(group, return_inverse=True)
    n_groups = group.max() + 1
    rng = np.random.default_rng(0)
    figures = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        times = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
        counts = np.bincount(pairs, times[group], minlength=size[0] * size[1])
        figures[i] = _precision_recall_f1(counts.reshape(size))[2].mean()
    low, high = np.percentile(figures, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers with a probability from `low` to `high`: how many, how sure, and how many right."""

    low: float
    high: float
    answers: int
    probability: float
    right: float


def reliability(predictions: Predictions) -> tuple[Bin, ...]:
    """Return the bins of a reliability diagram, a tenth of probability wide; empty ones left out.

    An answer's probability means something where `right`, the share of right answers, is near it.
    """
    sure = predictions.probabilities.max(axis=1)
    right = predictions.predicted == predictions.truth
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return tuple(
        Bin(
            k / _BINS,
            (k + 1) / _BINS,
            int((place == k).sum()),
            float(sure[place == k].mean()),
            float(right[place == k].mean()),
        )
        for k in np.unique(place).tolist()
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error (Naeini et al. 2015): the bins' mean gap.

    >>> bins = [Bin(0.8, 0.9, 10, 0.85, 0.8), Bin(0.9, 1.0, 30, 0.95, 0.95)]
    >>> round(calibration_error(bins), 4)
    0.0125
    """
    gaps = [bin.answers * abs(bin.right - bin.probability) for bin in bins]
    return sum(gaps) / sum(bin.answers for bin in bins)
