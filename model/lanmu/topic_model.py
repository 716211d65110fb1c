"""The trained model: labels, probabilities, decisions and explanations for texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanmu.features import (
    Block,
    Floats,
    Ints,
    Rows,
    Vocabulary,
    counted,
    ngrams,
    scores,
    smoothed_idf,
    tfidf,
)
from lanmu.words import Cut, cutter

OTHER = "other"
"""The label that means none of the topics, in a model that has it."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the model says of one text.

    `label` is the most probable topic at or above its threshold; where there is none it is
    "other", or None in a model without that label. `probability` is the label's, None where the
    text gave no evidence. `topics` are all topics at or above their thresholds, most probable
    first, and `reason` says why there is no answer.
    """

    label: str | None
    probability: float | None
    topics: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class LabelColumns:
    """What the model says of many texts: a column of each of `Labelled`'s fields but the reason.

    `probability` is an array, shape (n_texts,), with nan where the text gave no evidence.
    """

    label: list[str | None]
    probability: Floats
    topics: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Span:
    """A word of the text, `text[start:end]`, and its share of the score in log-odds."""

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text scores as it does for a label: `score` = `intercept` + the spans' weights."""

    label: str
    score: float
    intercept: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, eq=False)
class TopicModel:
    """A topic classifier that is ready to label texts.

    The score of a label is the log-odds of that label against the rest, linear in the TF-IDF row
    of the text: `row @ coefficients[k] + intercepts[k]`. The labels' scores are independent, so
    that a text can be above the threshold of several.

    Attributes
    ----------
    labels
        In alphabetical order.
    vocabulary
        The features, numbered.
    document_frequencies
        In how many of the `n_texts` training texts each feature is, shape (n_features,).
    coefficients
        Of float16 precision, shape (n_labels, n_features).
    intercepts, thresholds
        Shape (n_labels,). A threshold is a probability: of the label against the rest.
    ngram_weight
        What n-grams weigh against words.
    user_words
        Words that this model adds to jieba's dictionary.
    card
        What is known of its training, for people to read: any JSON object.

    Examples
    --------
    >>> from lanmu import load_model
    >>> model = load_model()
    >>> model.predict(["今年供热季提前三天点火，换热站已完成注水打压。"])
    ['heating']
    """

    labels: tuple[str, ...]
    vocabulary: Vocabulary
    document_frequencies: NDArray[np.int32]
    n_texts: int
    coefficients: NDArray[np.float32]
    intercepts: Floats
    thresholds: Floats
    ngram_weight: float = 1.0
    user_words: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _cut(self) -> Cut:
        return cutter(self.user_words)

    @cached_property
    def _table(self) -> NDArray[np.float32]:
        """The coefficients of each feature, and its idf in the last eight bytes: one look has all.

        Shape (n_features, n_labels + 2), and one more where n_labels is odd.
        """
        idf = smoothed_idf(self.document_frequencies, self.n_texts)
        idf[self.vocabulary.first_ngram :] *= self.ngram_weight
        n_labels = len(self.labels)
        table = np.zeros((len(idf), n_labels + n_labels % 2 + 2), np.float32)
        for k, weights in enumerate(self.coefficients):  # sooner than all of them transposed
            table[:, k] = weights
        table.view(np.float64)[:, -1] = idf
        return table

    def __post_init__(self) -> None:
        """Build what every text takes before a caller starts threads or forks."""
        self.vocabulary.prepare()
        _ = self._cut, self._table

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the fields alone: a cutter can't travel, and is built again."""
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def _weighed(
        self, texts: Iterable[str]
    ) -> Iterator[tuple[list[str], Rows, NDArray[np.float32]]]:
        """Yield blocks of texts, their TF-IDF rows, and the coefficients of each value.

        The latter have the shape (n_values, n_labels).
        """
        for block, counts in counted(texts, self.vocabulary, self._cut):
            found = self._table.take(counts.features, axis=0)
            rows = tfidf(counts, found.view(np.float64)[:, -1])
            yield block, rows, found[:, : len(self.labels)]

    def _scored(self, texts: Iterable[str]) -> Iterator[tuple[list[str], Floats, Ints]]:
        """Yield blocks of texts, their scores (n, n_labels), and how many known features each has.

        A block at a time, so that memory doesn't grow with the number of texts.
        """
        for block, rows, weights in self._weighed(_checked(texts)):
            label_scores = np.add(scores(rows, weights), self.intercepts, order="C")
            yield block, label_scores, rows.starts[1:] - rows.starts[:-1]

    def decision_function(self, texts: Iterable[str]) -> Floats:
        """Return each label's log-odds against the rest, shape (n_texts, n_labels)."""
        return self._stacked(label_scores for _, label_scores, _ in self._scored(texts))

    def _stacked(self, parts: Iterable[Floats]) -> Floats:
        return np.concatenate([np.empty((0, len(self.labels))), *parts])

    def predict_proba(self, texts: Iterable[str]) -> Floats:
        """Return the probability of each label for each text.

        Parameters
        ----------
        texts
            Any number of str.

        Returns
        -------
        Shape (n_texts, n_labels), in the order of `labels`; each row sums to 1: the labels' own
        probabilities, 1 / (1 + exp(-score)), scaled. A text with no feature that the model knows
        has the same probability for every label.

        Raises
        ------
        TypeError
            `texts` is one str, or holds something other than str.
        """
        return self._stacked(_normalised(*scored[1:]) for scored in self._scored(texts))

    def predict(self, texts: Iterable[str]) -> list[str | None]:
        """Return each text's most probable label, whatever the thresholds.

        A text with no feature that the model knows gets "other", or None in a model without it.

        Raises
        ------
        TypeError
            `texts` is one str, or holds something other than str.
        """
        predicted: list[str | None] = []
        for _, label_scores, n_known in self._scored(texts):
            best = label_scores.argmax(axis=1).tolist()
            predicted += [
                self.labels[k] if known else self._fallback
                for k, known in zip(best, n_known.tolist(), strict=True)
            ]
        return predicted

    @property
    def _fallback(self) -> str | None:
        return OTHER if OTHER in self.labels else None

    def label(self, texts: Iterable[str]) -> list[Labelled]:
        """Return what the model says of each text, by its thresholds.

        Raises
        ------
        TypeError
            `texts` is one str, or holds something other than str.

        Examples
        --------
        >>> from lanmu import load_model
        >>> load_model().label(["，。"])
        [Labelled(label='other', probability=None, topics=(),
                  reason='no word or character that the model knows')]
        """
        answers: list[Labelled] = []
        for block, columns, nearest in self._decided(texts):
            probabilities: list[float | None] = columns.probability.tolist()
            reasons: list[str | None] = [None] * len(block)
            for i, k in enumerate(nearest.tolist()):
                if k < 0:
                    is_text = block[i].strip()
                    reasons[i] = (
                        "no word or character that the model knows" if is_text else "no text"
                    )
                    probabilities[i] = None
                elif not columns.topics[i] and self.labels[k] != OTHER:
                    reasons[i] = f"no topic reaches its threshold; the nearest is {self.labels[k]}"
            answers += map(Labelled, columns.label, probabilities, columns.topics, reasons)
        return answers

    def label_columns(self, texts: Iterable[str]) -> LabelColumns:
        """Return what `label` says but the reasons, as columns, which takes less time.

        Raises
        ------
        TypeError
            `texts` is one str, or holds something other than str.

        Examples
        --------
        >>> from lanmu import load_model
        >>> columns = load_model().label_columns(["换热站已完成注水打压", "，。"])
        >>> columns.label, columns.topics
        (['heating', 'other'], [('heating',), ()])
        >>> columns.probability.round(1).tolist()
        [1.0, nan]
        """
        label: list[str | None] = []
        topics: list[tuple[str, ...]] = []
        probabilities = [np.empty(0)]
        for _, columns, _ in self._decided(texts):
            label += columns.label
            topics += columns.topics
            probabilities.append(columns.probability)
        return LabelColumns(label, np.concatenate(probabilities), topics)

    def _decided(self, texts: Iterable[str]) -> Iterator[tuple[list[str], LabelColumns, Ints]]:
        """Yield blocks of texts, what the model says of them, and which label is nearest to each.

        The last is -1 for a text with no feature that the model knows.
        """
        no_topic = self.labels.index(self._fallback) if self._fallback else -1
        names = (*self.labels, None)  # -1 is none
        alone = (*((name,) for name in self.labels), ())
        for block, label_scores, n_known in self._scored(texts):
            accepted = (logistic(label_scores) >= self.thresholds) & (n_known > 0)[:, None]
            if self._fallback:
                accepted[:, no_topic] = False
            n_topics = accepted.sum(axis=1)
            first = np.where(accepted, label_scores, -np.inf).argmax(axis=1)
            nearest = np.where(n_known > 0, label_scores.argmax(axis=1), -1)
            label = np.where(n_topics > 0, first, no_topic)
            probabilities = _normalised(label_scores, n_known)
            probability = probabilities[np.arange(len(block)), np.where(label < 0, nearest, label)]
            probability[n_known == 0] = np.nan
            topics = [alone[k] for k in np.where(n_topics > 0, first, -1).tolist()]
            for i in np.flatnonzero(n_topics > 1).tolist():
                falling = np.argsort(-label_scores[i], kind="stable")
                topics[i] = tuple(self.labels[k] for k in falling if accepted[i, k])
            columns = LabelColumns([names[k] for k in label.tolist()], probability, topics)
            yield block, columns, nearest

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """Return how much each word of a text adds to the score of a label.

        What a feature adds is parted equally among the places where it stands in the text, and
        there among the characters that it covers; a span collects the characters of one word.

        Parameters
        ----------
        text
            One text.
        label
            The label to explain; the one with the highest score if None.

        Raises
        ------
        ValueError
            The model has no such label.

        Examples
        --------
        >>> from lanmu import load_model
        >>> why = load_model().explain("供热管网打压试水")
        >>> abs(why.score - why.intercept - sum(span.weight for span in why.spans)) < 1e-6
        True
        """
        if not isinstance(text, str):
            raise TypeError(f"explain takes one str, not {type(text).__name__}")
        if label is not None and label not in self.labels:
            raise ValueError(f"{label!r} is none of the model's labels: {', '.join(self.labels)}")
        ((_, rows, weights),) = self._weighed([text])
        label_scores = scores(rows, weights)[0] + self.intercepts
        k = self.labels.index(label) if label is not None else int(label_scores.argmax())
        added = np.zeros(len(self.vocabulary))
        added[rows.features] = rows.values * weights[:, k]
        spans = self._spans(text, added)
        return Explanation(self.labels[k], float(label_scores[k]), float(self.intercepts[k]), spans)

    def _spans(self, text: str, added: Floats) -> tuple[Span, ...]:
        """Part what each feature adds among the words of a text."""
        block = Block.of([text])
        words = block.words(self._cut)
        ngrams_at = ngrams(block, self.vocabulary)
        places = [(self.vocabulary.of_words(words, ngrams_at), words.starts, words.lengths)]
        for n, number in enumerate(ngrams_at[1:], 1):
            at = np.flatnonzero(number >= 0)
            places.append((number.take(at) + self.vocabulary.first_ngram, at, np.full(len(at), n)))
        feature, start, length = map(np.concatenate, zip(*places, strict=True))
        known = np.flatnonzero(feature >= 0)
        feature, start, length = feature[known], start[known], length[known]
        times = np.bincount(feature, minlength=len(added))
        share = added[feature] / times[feature] / length
        character = np.zeros(len(block.codes))
        for offset in range(length.max(initial=0)):
            covered = np.flatnonzero(length > offset)
            np.add.at(character, start[covered] + offset, share[covered])
        spans = []
        for first, last in zip(words.starts, words.starts + words.lengths - 1, strict=True):
            begin, end = int(block.origin[first]), int(block.origin[last]) + 1
            weight = float(character[first : last + 1].sum())
            spans.append(Span(begin, end, text[begin:end], weight))
        return tuple(sorted(spans, key=lambda span: span.start))

    def save(self, path: str | Path) -> None:
        """Write the model to one file, wholly or not at all; see `lanmu.model_file`."""
        from lanmu.model_file import save_model  # noqa: PLC0415 - model_file builds on this module

        save_model(self, path)


def _normalised(label_scores: Floats, n_known: Ints) -> Floats:
    """Return the probabilities of labels, scaled to sum to 1; alike where nothing is known."""
    log_odds = np.where(n_known[:, None] > 0, label_scores, 0.0)
    log_probability = -np.logaddexp(0.0, -log_odds)
    shares = np.exp(log_probability - log_probability.max(axis=1, keepdims=True))
    normalised: Floats = shares / shares.sum(axis=1, keepdims=True)
    return normalised


def logistic(log_odds: Floats) -> Floats:
    """Return 1 / (1 + exp(-log_odds)), with no overflow.

    >>> logistic(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return 0.5 * (1.0 + np.tanh(0.5 * log_odds))


def _checked(texts: Iterable[str]) -> Iterator[str]:
    if isinstance(texts, str | bytes):
        raise TypeError(f"texts must be an iterable of str, not one {type(texts).__name__}: [text]")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{i}] must be a str, not {type(text).__name__}: {text!r:.60}")
        yield text
