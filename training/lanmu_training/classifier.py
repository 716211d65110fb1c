"""TopicClassifier, the scikit-learn estimator that makes a TopicModel."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from threadpoolctl import threadpool_limits

from lanmu import TopicModel
from lanmu.features import MAX_NGRAM, Floats, Ints, Rows, learn, smoothed_idf, tfidf
from lanmu.topic_model import OTHER
from lanmu.words import HAN_RUN, cutter
from lanmu_training.leakage import folds

_FOLDS, _FOLDS_OF_MANY = 5, 2
_MANY = 20_000  # texts, of which half say of the other half what all but a fifth would
_NOVELTY_PARTS, _FEWEST_FOR_NOVELTY = 5, 3
_LEAST_SLOPE = 1e-3  # a label that held-out texts speak against still gets a rising probability


class TopicClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify Chinese texts by linear support vector machines over words and character n-grams.

    One machine a label, against the rest, on TF-IDF rows (`lanmu.features`) whose features are
    first scaled by what they tell of the label: (1 - ratio_weight) + ratio_weight x |r|, where r
    is the log-count ratio of naive Bayes (Wang and Manning 2012, "Baselines and Bigrams"). The
    ratios themselves make a second machine. Platt's scaling (1999), fitted on the margins of
    texts held out in five folds (two, of more than 20,000 texts), weighs the two, alike for all
    labels, and makes log-odds of their margins. All of it is folded into one matrix of
    coefficients.

    Parameters
    ----------
    max_ngram : int, default 2
        The longest character n-grams, 0 to 3; 0 for words alone.
    min_df : int, default 1
        Features in fewer training texts are left out.
    C : float, default 0.3
        The inverse of the regularisation.
    ratio_weight : float, default 0.3
        From 0, all features alike, to 1.
    ngram_weight : float, default 1.0
        What the n-grams of a row are multiplied by, and its words are not.
    class_weight : None or "balanced", default None
        "balanced" makes mistakes on rare labels dearer, as in scikit-learn.
    precision : float, optional
        The threshold of each label is the lowest at which this share of its held-out answers is
        right; without it, the one of the best F1.
    user_words : sequence of str, default ()
        Words that jieba's dictionary lacks; they travel in the model.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in order.
    model_ : TopicModel
        What `to_model` returns.
    held_out_scores_ : ndarray of shape (n_texts, n_classes)
        The log-odds of each training text, by machines that were trained without it.

    Examples
    --------
    >>> texts = ["暖气不热，供热公司上门", "换热站昨日试水", "锅炉房停暖抢修",
    ...          "湿地飞来候鸟", "河水变清，白鹭飞来", "林场补种油松"]
    >>> labels = ["heating"] * 3 + ["ecology"] * 3
    >>> TopicClassifier().fit(texts, labels).predict(["暖气又停了"])
    array(['heating'], dtype='<U7')
    """

    def __init__(
        self,
        *,
        max_ngram: int = 2,
        min_df: int = 1,
        C: float = 0.3,
        ratio_weight: float = 0.3,
        ngram_weight: float = 1.0,
        class_weight: Literal["balanced"] | None = None,
        precision: float | None = None,
        user_words: Sequence[str] = (),
    ) -> None:
        self.max_ngram = max_ngram
        self.min_df = min_df
        self.C = C
        self.ratio_weight = ratio_weight
        self.ngram_weight = ngram_weight
        self.class_weight = class_weight
        self.precision = precision
        self.user_words = user_words

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def fit(self, X: Iterable[str], y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit on texts and their labels.

        Parameters
        ----------
        X
            n_texts str.
        y
            Their labels, shape (n_texts,).
        groups
            Shape (n_texts,); texts of one group, such as an article, are held out together when
            the scores are calibrated.

        Raises
        ------
        TypeError, ValueError
            The texts, labels or settings can't be used; the message says which and why.
        """
        self._check_settings()
        texts, target = self._checked(X, y)
        if groups is not None:
            self._check_groups(target, np.asarray(groups))
        with threadpool_limits(1, "blas"):  # whose sums depend on the number of threads
            self._fit(texts, target, groups)
        return self

    def _fit(self, texts: list[str], target: Ints, groups: ArrayLike | None) -> None:
        user_words = tuple(self.user_words)
        vocabulary, df, rows = learn(
            texts, cutter(user_words), max_ngram=self.max_ngram, min_df=self.min_df
        )
        if not len(vocabulary):
            raise ValueError(f"no word or n-gram is in min_df={self.min_df} texts or more")
        shape = (len(texts), len(vocabulary))
        counts = sparse.csr_array(  # liblinear takes 32-bit indices alone
            (rows.values, rows.features.astype(np.int32), rows.starts.astype(np.int32)), shape=shape
        )
        self._scale_of_kind = np.repeat(
            [1.0, self.ngram_weight], [len(vocabulary.words), len(vocabulary.ngrams)]
        )
        margins = self._held_out_margins(counts, target, groups)
        slopes, offsets = _platt(margins, target)
        machines = self._machines(counts, target)
        self.held_out_scores_ = margins @ slopes + offsets
        novel_scores = self._novel_margins(counts, target) @ slopes + offsets
        thresholds = [
            self._threshold(self.held_out_scores_[:, k], target == k, novel_scores[:, k])
            for k in range(len(self.classes_))
        ]
        names = [str(name) for name in self.classes_.tolist()]
        order = np.argsort(names)
        coefficients = slopes[0] * machines.coefficients + slopes[1] * machines.ratios
        self.model_ = TopicModel(
            labels=tuple(names[k] for k in order),
            vocabulary=vocabulary,
            document_frequencies=df.astype(np.int32),
            n_texts=len(texts),
            coefficients=coefficients[order].astype(np.float16).astype(np.float32),
            intercepts=(slopes[0] * machines.intercepts + offsets)[order].round(9),
            thresholds=np.array(thresholds)[order].round(9),
            ngram_weight=float(self.ngram_weight),
            user_words=user_words,
        )
        self._column_of_class = np.argsort(order)

    def _check_settings(self) -> None:
        _require(
            "max_ngram",
            self.max_ngram,
            Integral,
            f"0 to {MAX_NGRAM}",
            lambda n: 0 <= n <= MAX_NGRAM,
        )
        _require("min_df", self.min_df, Integral, "1 or more, a whole number", lambda n: n >= 1)
        _require("C", self.C, Real, "a number above 0", lambda x: 0 < x < np.inf)
        _require("ratio_weight", self.ratio_weight, Real, "0 to 1", lambda x: 0 <= x <= 1)
        _require(
            "ngram_weight", self.ngram_weight, Real, "0.001 to 1000", lambda x: 1e-3 <= x <= 1e3
        )
        if self.class_weight not in (None, "balanced"):
            raise ValueError(
                f"class_weight is {self.class_weight!r}; it must be None or 'balanced'"
            )
        if self.precision is not None:
            _require("precision", self.precision, Real, "above 0, 1 at most", lambda x: 0 < x <= 1)
        words = self.user_words
        if isinstance(words, str) or not isinstance(words, Sequence):
            raise TypeError(f"user_words is {words!r}; it must be a list of words")
        for word in words:
            if not isinstance(word, str) or not HAN_RUN.fullmatch(word):
                raise ValueError(f"user_words has {word!r}; a word is of Han characters alone")

    def _checked(self, X: Iterable[str], y: ArrayLike) -> tuple[list[str], Ints]:
        texts = _texts(X)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        if len(texts) != len(labels):
            raise ValueError(f"there are {len(texts)} texts, but {len(labels)} labels")
        self.classes_, target = np.unique(labels, return_inverse=True)
        sizes = np.bincount(target)
        if len(sizes) < 2:
            raise ValueError(
                f"all texts have one label, {self.classes_[0]!s}, and one class is too few"
            )
        if sizes.min() < 2:
            raise ValueError(
                f"the label {self.classes_[sizes.argmin()]!s} has one text; calibration holds some "
                "out, so write 2 or more of each"
            )
        return texts, target

    def _check_groups(self, target: Ints, groups: NDArray[Any]) -> None:
        if len(groups) != len(target):
            raise ValueError(f"there are {len(target)} texts, but {len(groups)} groups")
        for k, label in enumerate(self.classes_):
            if len(np.unique(groups[target == k])) < 2:
                raise ValueError(
                    f"the texts of the label {label!s} are all of one group; calibration holds "
                    "whole groups out, so give some of another"
                )

    def _machines(self, counts: sparse.csr_array, target: Ints) -> "_Machines":
        """Fit a machine a label on the features that these texts have."""
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.where(df >= self.min_df, smoothed_idf(df, counts.shape[0]), 0.0)
        idf *= self._scale_of_kind
        weighted = _weighted(counts, idf)
        n_labels = len(self.classes_)
        coefficients, ratios = np.zeros((2, n_labels, counts.shape[1]))
        intercepts = np.full(n_labels, -1.0)
        for k in range(n_labels):
            is_label = target == k
            if is_label.all():
                intercepts[k] = 1.0
            elif is_label.any():  # a machine that never saw its label always says no
                ratios[k] = _log_count_ratios(weighted, is_label)
                scale = (1 - self.ratio_weight) + self.ratio_weight * np.abs(ratios[k])
                machine = LinearSVC(
                    C=self.C, class_weight=self.class_weight, random_state=0, max_iter=10_000
                )
                scaled = weighted.copy()
                scaled.data *= scale.take(scaled.indices)
                machine.fit(scaled, is_label)
                coefficients[k] = machine.coef_[0] * scale
                intercepts[k] = machine.intercept_[0]
        return _Machines(idf, coefficients, intercepts, ratios)

    def _held_out_margins(
        self, counts: sparse.csr_array, target: Ints, groups: ArrayLike | None
    ) -> Floats:
        """Return each text's margins by machines trained on the other folds."""
        parts = folds(target, groups, _FOLDS if len(target) <= _MANY else _FOLDS_OF_MANY)
        margins = np.empty((counts.shape[0], len(self.classes_), 2))
        found = Parallel()(delayed(self._margins_of_fold)(counts, target, *part) for part in parts)
        for (_, test), of_fold in zip(parts, found, strict=True):
            margins[test] = of_fold
        return margins

    def _margins_of_fold(
        self, counts: sparse.csr_array, target: Ints, train: Ints, test: Ints
    ) -> Floats:
        with threadpool_limits(1, "blas"):  # here, which may be another process than fit's
            return self._machines(counts[train], target[train]).margins(counts[test])

    def _novel_margins(self, counts: sparse.csr_array, target: Ints) -> Floats:
        """Return margins of texts by machines that saw no text of the same label.

        They stand for text that is about something else, where no label says "other": each fifth
        of the labels is left out in turn. A label's own fifth counts for nothing: -inf.
        """
        n_labels = len(self.classes_)
        if OTHER in self.classes_ or n_labels < _FEWEST_FOR_NOVELTY:
            return np.empty((0, n_labels, 2))
        if len(target) > _MANY:
            drawn = np.sort(np.random.default_rng(0).choice(len(target), _MANY, replace=False))
            counts, target = counts[drawn], target[drawn]
        parts = []
        for left_out in np.array_split(np.arange(n_labels), min(_NOVELTY_PARTS, n_labels)):
            novel = np.isin(target, left_out)
            margins = self._machines(counts[~novel], target[~novel]).margins(counts[novel])
            margins[:, left_out] = (-np.inf, 0.0)
            parts.append(margins)
        return np.concatenate(parts)

    def _threshold(self, scores: Floats, is_label: NDArray[np.bool_], novel: Floats) -> float:
        """Return a label's threshold, from held-out scores and those of novel text."""
        probabilities = expit(np.concatenate([scores, novel]))
        is_label = np.concatenate([is_label, np.zeros(len(novel), bool)])
        order = np.argsort(-probabilities, kind="stable")
        falling = np.append(probabilities[order], 0.0)
        hits = np.cumsum(is_label[order])
        answers = np.arange(1, len(order) + 1)
        possible = falling[:-1] > falling[1:]  # no threshold parts equal probabilities
        if self.precision is None:
            f1 = 2 * hits / (answers + is_label.sum())
            last = int(np.where(possible, f1, -1.0).argmax())
        else:
            reached = np.flatnonzero(possible & (hits >= self.precision * answers))
            if not len(reached):
                return 1.0
            last = int(reached[-1])
        return float((falling[last] + falling[last + 1]) / 2)

    def to_model(self) -> TopicModel:
        """Return the fitted model, which predicts without scikit-learn and can be saved."""
        check_is_fitted(self)
        return self.model_

    def decision_function(self, X: Iterable[str]) -> Floats:
        """Return the log-odds of each label, shape (n_texts, n_classes).

        With two classes, shape (n_texts,): how much the second's are above the first's.
        """
        scores = self.to_model().decision_function(_texts(X))[:, self._column_of_class]
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Iterable[str]) -> Floats:
        """Return the probability of each label, shape (n_texts, n_classes)."""
        return self.to_model().predict_proba(_texts(X))[:, self._column_of_class]

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Return the most probable label of each text, shape (n_texts,)."""
        check_is_fitted(self)
        texts = _texts(X)
        predicted: NDArray[Any] = self.classes_[self.predict_proba(texts).argmax(axis=1)]
        if OTHER in self.model_.labels:  # which is also said of texts without known features
            predicted[np.array(self.model_.predict(texts)) == OTHER] = OTHER
        return predicted


@dataclass(frozen=True, slots=True)
class _Machines:
    idf: Floats
    coefficients: Floats
    intercepts: Floats
    ratios: Floats

    def margins(self, counts: sparse.csr_array) -> Floats:
        """Return both machines' margins, shape (n_texts, n_labels, 2)."""
        rows = _weighted(counts, self.idf)
        vector = np.asarray(rows @ self.coefficients.T) + self.intercepts
        return np.stack([vector, np.asarray(rows @ self.ratios.T)], axis=2)


def _weighted(counts: sparse.csr_array, idf: Floats) -> sparse.csr_array:
    """Return TF-IDF rows of the features whose idf is not 0, which are the known ones."""
    known = counts.copy()
    known.data *= idf.take(known.indices) > 0
    known.eliminate_zeros()
    known.data = tfidf(
        Rows(known.indptr, known.indices, known.data), idf.take(known.indices)
    ).values
    return known


def _require(name: str, value: Any, kind: type, must_be: str, holds: Callable[[Any], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}; it must be {must_be}")
    if not holds(value):
        raise ValueError(f"{name} is {value!r}; it must be {must_be}")


def _texts(X: Iterable[str]) -> list[str]:
    if isinstance(X, str):
        raise TypeError("X is one str; give an iterable of str")
    if sparse.issparse(X):
        raise TypeError("X is a sparse matrix; give an iterable of str")
    texts = list(X)
    if not texts:
        raise ValueError("X has 0 sample(s); give at least one text")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"X[{i}] must be a str, not {type(text).__name__}: {text!r:.60}")
    return texts


def _log_count_ratios(weighted: sparse.csr_array, is_label: NDArray[np.bool_]) -> Floats:
    smoothing = 0.01  # of TF-IDF weights below 1, where counts take 1
    inside = weighted[is_label].sum(axis=0) + smoothing
    outside = weighted[~is_label].sum(axis=0) + smoothing
    ratios: Floats = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    return ratios


def _platt(margins: Floats, target: Ints) -> tuple[Floats, Floats]:
    """Return the slopes of both machines, shared by the labels, and an offset a label.

    Platt's scaling, with his smoothed targets, of margins (n_texts, n_labels, 2).
    """
    n_labels = margins.shape[1]
    is_label = target[:, None] == np.arange(n_labels)
    n_label = is_label.sum(axis=0)
    aim = np.where(is_label, (n_label + 1) / (n_label + 2), 1 / (len(target) - n_label + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scores = margins @ parameters[:2] + parameters[2:]
        error = expit(scores) - aim
        slopes_gradient = np.tensordot(error, margins, axes=([0, 1], [0, 1]))
        gradient = np.concatenate([slopes_gradient, error.sum(axis=0)])
        return float((np.logaddexp(0, scores) - aim * scores).sum()) / len(target), gradient / len(
            target
        )

    start = np.concatenate([[1.0, 0.0], np.log((n_label + 1) / (len(target) - n_label + 1))])
    bounds = [(_LEAST_SLOPE, None), (0.0, None)] + [(None, None)] * n_labels
    best = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-7},
    )
    return best.x[:2], best.x[2:]
