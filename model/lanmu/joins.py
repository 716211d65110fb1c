"""Which broken end on a page runs on into which broken beginning, and why.

The end and the beginning of each fragment have a probability of being broken, by what stands there
and by how much of the rest of the page is plainly broken off. What speaks for a pair of them is
weighed in a sum, the log-odds of this join over none. The joins are the one assignment of ends to
beginnings with the highest sum. What two fragments share is also read off their contexts, all that
leads up to the one and all that follows the other; as joins lengthen contexts, the assignment is
made again with the joins that it found.

The weights are learnt from made pages; see `lanmu_training.joins`.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lanmu.features import CODE_BITS, Floats, Ints, learn
from lanmu.fragments import (
    PARTNERS,
    Piece,
    Statistics,
    begin_features,
    broken_elsewhere,
    end_features,
    first_run,
    is_heading,
    last_run,
)
from lanmu.language import Language
from lanmu.topic_model import OTHER, TopicModel, logistic
from lanmu.words import Cut, cutter

WEIGHTS = Path(__file__).with_name("joins.json")
LITTLE = 0.02
"""A cosine that is hardly one, which keeps logarithms from running away."""

_LEAST_END, _LEAST_BEGINNING = 0.25, 0.003  # what is less likely to be broken is not looked at
_MAY_BE_BROKEN = 0.3  # of a beginning that can't be taken for the next paragraph unasked
_ROUNDS = 3
_MUCH = 40  # features that give a context much to tell

Values = dict[str, Floats]
"""Evidence by name, a value for each pair: shape (n_ends, n_beginnings)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What spoke for a join (`weight` above 0) or against it, in log-odds, and how much of it."""

    name: str
    value: float
    weight: float


@dataclass(frozen=True, slots=True)
class Join:
    """Fragment `first` runs on, mid-sentence, into fragment `second`; strongest evidence first."""

    first: int
    second: int
    probability: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """What was learnt: statistics of text, and what each feature weighs in four decisions.

    `openings` and `closings` are those of `lanmu.fragments`; `ends` and `beginnings` decide on what
    is broken, `joins` on pairs of these, `articles` on blocks of fragments. `about` is for people.
    """

    openings: Statistics
    closings: Statistics
    ends: Statistics
    beginnings: Statistics
    joins: Statistics
    articles: Statistics
    about: Mapping[str, Any]

    @classmethod
    @functools.cache
    def shipped(cls) -> "Weights":
        """Return the weights that come with the package."""
        return cls(**json.loads(WEIGHTS.read_text(encoding="utf-8")))


def log_odds(weights: Statistics, features: Mapping[str, Any]) -> Any:
    """Return the weighed sum of features, numbers or arrays, with the bias."""
    return weights["bias"] + sum(
        w * features[name] for name, w in weights.items() if name in features
    )


def probability(scores: ArrayLike) -> Floats:
    """Return the logistic function of scores, kept a ten-thousandth away from 0 and 1."""
    found: Floats = np.clip(logistic(np.asarray(scores)), 1e-4, 1 - 1e-4)
    return found


@dataclass(frozen=True, eq=False)
class Scraps:
    """The fragments of a page as they are put together.

    `ends` and `beginnings` are the probabilities of being broken and `headings` tells what is a
    heading, shape (n_fragments,). `words` are sparse rows of what fragments share. `topics` are the
    probabilities of the labels, and `accepted` tells which topics a fragment has by the model's
    thresholds; shape (n_fragments, n_labels).
    """

    pieces: Sequence[Piece]
    ends: Floats
    beginnings: Floats
    headings: NDArray[np.bool_]
    words: Any
    topics: Floats
    accepted: NDArray[np.bool_]

    @classmethod
    def of(cls, texts: Sequence[str], model: TopicModel, weights: Weights) -> "Scraps":
        """Read the fragments of a page, of which there is at least one."""
        pieces = [Piece.of(text) for text in texts]
        cut = cutter(model.user_words)
        given = [
            end_features(*each, weights.closings, cut)
            for each in zip(pieces, broken_elsewhere(pieces), strict=True)
        ]
        ends = probability([log_odds(weights.ends, features) for features in given])
        alone = probability(model.decision_function([piece.text for piece in pieces]))
        scraps = cls(
            pieces,
            ends,
            np.full(len(pieces), np.nan),
            np.array([is_heading(*each) for each in zip(pieces, ends, strict=True)], bool),
            shared_words(pieces, model),
            alone / alone.sum(axis=1, keepdims=True),
            (alone >= model.thresholds) & np.array([label != OTHER for label in model.labels]),
        )
        return replace(scraps, beginnings=scraps.judge_beginnings((), model, weights))

    def judge_beginnings(
        self, links: Iterable[tuple[int, int]], model: TopicModel, weights: Weights
    ) -> Floats:
        """Return the probabilities that fragments begin mid-sentence, where `links` are joins."""
        told = self.features_of_beginnings(weights.openings, cutter(model.user_words), links)
        return probability([log_odds(weights.beginnings, features) for features in told])

    def features_of_beginnings(
        self, openings: Statistics, cut: Cut, links: Iterable[tuple[int, int]] = ()
    ) -> list[Statistics]:
        """Return what tells whether each fragment begins mid-sentence.

        Where the one before it runs on into another by `links`, and nothing into it, the one before
        counts as whole: what is broken there has been found.
        """
        following = dict(links)
        elsewhere = following.keys() - {second - 1 for second in following.values()}
        ends = [0.0 if i in elsewhere else end for i, end in enumerate(self.ends.tolist())]
        fragments = np.arange(len(self.pieces))
        near = cosines(self.words[fragments], self.words[fragments - 1]).diagonal()
        near = np.log1p(near / LITTLE).tolist()
        clashes = clash(self.accepted[fragments - 1], self.accepted).diagonal().tolist()
        before = [(ends[i - 1], near[i], clashes[i]) for i in fragments]
        before[0] = (0.5, 0.0, False)
        around = [
            (rest, *one) for rest, one in zip(broken_elsewhere(self.pieces), before, strict=True)
        ]
        told = zip(self.pieces, self.ends.tolist(), around, strict=True)
        return [begin_features(*each, openings, cut) for each in told]

    def goes_on(self, i: int, paragraph: Sequence[int]) -> bool:
        """Tell whether fragment i may be the next paragraph after the one before it on the page.

        `paragraph` are the fragments of that one, the last of which is i - 1. It may not where that
        ends mid-sentence, where i is a heading or may begin mid-sentence, nor where both have
        topics and none in common.
        """
        if self.headings[i] or self.ends[i - 1] >= 0.5:
            return False
        whole = self.beginnings[i] < _MAY_BE_BROKEN
        if self.headings[i - 1]:
            return bool(whole or self.pieces[i].continued)
        topics = self.accepted[list(paragraph)].sum(axis=0, keepdims=True) > 0
        return bool(whole and not clash(topics, self.accepted[[i]]).any())


def clash(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which rows of accepted topics have some, as the others have, but none in common."""
    both = np.logical_and.outer(first.any(axis=1), second.any(axis=1))
    found: NDArray[np.bool_] = both & (first.astype(int) @ second.T.astype(int) == 0)
    return found


def shared_words(pieces: Sequence[Piece], model: TopicModel) -> Any:
    """Return sparse rows (n_pieces, n_features) of words and character pairs that pieces share.

    A value is (1 + ln tf) x ln((1 + n) / (1 + df)), by the document frequencies of the model's
    training texts: a name that none of them had weighs most.
    """
    from scipy import sparse  # noqa: PLC0415 - labelling never waits for scipy

    texts, known = [piece.text for piece in pieces], model.vocabulary
    own, _, counts = learn(texts, cutter(model.user_words), max_ngram=2, min_df=2)
    number = known.of_features(own)
    df = np.where(number >= 0, model.document_frequencies.take(number), 0)
    idf = np.log((1 + model.n_texts) / (1 + df))
    single = [len(word) == 1 for word in own.words]
    idf[np.concatenate([np.array(single, bool), own.ngrams < 1 << CODE_BITS])] = 0.0
    values = (1 + np.log(counts.values)) * idf.take(counts.features)
    return sparse.csr_array((values, counts.features, counts.starts), (len(texts), len(own)))


def find_joins(scraps: Scraps, model: TopicModel, weights: Weights) -> list[Join]:
    """Return the joins of the best assignment of broken ends to broken beginnings."""
    pairs = Pairs.of(scraps)
    if not pairs.possible.any():
        return []
    at_cut = pairs.at_the_cut(Language.of(model))
    links: list[tuple[int, int]] = []
    for _ in range(_ROUNDS):
        evidence = at_cut | pairs.in_context(links)
        score = np.where(pairs.possible, log_odds(weights.joins, evidence), -np.inf)
        chosen = _assignment(score)
        links = [(int(pairs.ends[a]), int(pairs.beginnings[b])) for a, b in chosen]
    joins = []
    for (a, b), link in zip(chosen, links, strict=True):
        told = [
            Evidence(name, float(value[a, b]), float(weights.joins[name] * value[a, b]))
            for name, value in evidence.items()
            if name in weights.joins
        ]
        told.sort(key=lambda each: -abs(each.weight))
        joins.append(Join(*link, _share(score[a], b), tuple(told)))
    return joins


def _assignment(score: Floats) -> list[tuple[int, int]]:
    """Return the rows and columns that are best put together; none whose score is not above 0."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    gained = np.maximum(score, 0.0)
    rows, columns = linear_sum_assignment(gained, maximize=True)
    return [(a, b) for a, b in zip(rows.tolist(), columns.tolist(), strict=True) if gained[a, b]]


def _share(scores: Floats, chosen: int) -> float:
    """Return the probability of one of several ways, where the log-odds of none of them is 0."""
    highest = max(float(scores.max()), 0.0)
    ways = np.exp(scores - highest)
    return float(ways[chosen] / (ways.sum() + np.exp(-highest)))


@dataclass(frozen=True, eq=False, slots=True)
class Pairs:
    """The broken ends and the broken beginnings of a page, and what speaks for each pair of them.

    `ends` and `beginnings` are numbers of fragments; `possible` tells which pairs are of two
    different ones.
    """

    scraps: Scraps
    ends: Ints
    beginnings: Ints
    possible: NDArray[np.bool_]

    @classmethod
    def of(cls, scraps: Scraps) -> "Pairs":
        """Pair what may be broken."""
        ends = np.flatnonzero(scraps.ends > _LEAST_END)
        beginnings = np.flatnonzero(scraps.beginnings > _LEAST_BEGINNING)
        return cls(scraps, ends, beginnings, ends[:, None] != beginnings)

    def at_the_cut(self, language: Language) -> Values:
        """Return what the fragments themselves tell."""
        tails = [self.scraps.pieces[i] for i in self.ends]
        heads = [self.scraps.pieces[j] for j in self.beginnings]
        told = self._order() | _language(tails, heads, language) | _marks(tails, heads)
        accepted = self.scraps.accepted
        told["shared_words"] = _beyond_average(
            cosines(self.scraps.words[self.ends], self.scraps.words[self.beginnings]),
            self.possible,
        )
        told["topic_clash"] = clash(accepted[self.ends], accepted[self.beginnings])
        shape = self.possible.shape
        return {name: np.broadcast_to(value, shape).astype(float) for name, value in told.items()}

    def _order(self) -> dict[str, Any]:
        scraps, step = self.scraps, self.beginnings - self.ends[:, None]
        passed = np.cumsum([0, *(scraps.ends >= 0.5)])  # broken ends before each fragment
        return {
            "next": step == 1,
            "backward": step < 0,
            "ends_between": np.log1p(np.abs(passed[self.beginnings] - passed[self.ends + 1, None])),
            "ends_broken": _logit(scraps.ends[self.ends])[:, None],
            "begins_broken": np.log(scraps.beginnings[self.beginnings]),
        }

    def in_context(self, links: Sequence[tuple[int, int]]) -> Values:
        """Return what all that leads up to the end shares with all that follows the beginning.

        `links` are the joins to go by. Where one context holds the other fragment, nothing is told.
        """
        scraps = self.scraps
        before, after = contexts(scraps, links)
        leading = sums([before[i] for i in self.ends], len(scraps.pieces))
        following = sums([after[j] for j in self.beginnings], len(scraps.pieces))
        apart = ~np.array(
            [[j in before[i] or i in after[j] for j in self.beginnings] for i in self.ends], bool
        )
        features = scraps.words != 0
        sizes = [(group @ features).sum(axis=1) for group in (leading, following)]
        size = np.log1p(np.sqrt(np.outer(*sizes)) / _MUCH)
        shared = cosines(leading @ scraps.words, following @ scraps.words)
        return {
            "context_size": apart * size,
            "shared_article": size * _beyond_average(shared, apart),
            "topic": apart * agreement(leading @ scraps.topics, following @ scraps.topics),
        }


def _logit(p: Floats) -> Floats:
    found: Floats = np.log(p / (1 - p))
    return found


def _language(
    tails: Sequence[Piece], heads: Sequence[Piece], language: Language
) -> dict[str, NDArray[Any]]:
    last, first = [tail.text[-1:] for tail in tails], [head.text[:1] for head in heads]
    across = language.words_across(
        [last_run(tail.text) for tail in tails], [first_run(head.text) for head in heads]
    )
    return {
        "word_across": across.clip(-5, 14),
        "character_pair": language.character_pairs(last, first),
    }


def _marks(tails: Sequence[Piece], heads: Sequence[Piece]) -> dict[str, NDArray[Any]]:
    closing = np.array([PARTNERS.get(tail.unclosed[-1:], "") for tail in tails])[:, None]
    closed = np.array([head.unopened[:1] for head in heads])
    match = (closing != "") & (closing == closed)
    counted = np.array([tail.ordinals[-1] if tail.ordinals else 0 for tail in tails])[:, None]
    counts = np.array([head.ordinals[0] if head.ordinals else 0 for head in heads])
    return {
        "open_quote": match,
        "quote_mismatch": (closed != "") & ~match,
        "numbering": (counts > 1) & (counts == counted + 1),
    }


def contexts(
    scraps: Scraps, links: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each fragment what leads up to it and what follows it, itself first."""
    following = steps(scraps, links)
    leading = {second: first for first, second in following.items()}
    fragments = range(len(scraps.pieces))
    return [way(i, leading) for i in fragments], [way(i, following) for i in fragments]


def steps(scraps: Scraps, links: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return what follows each fragment: what it is linked with, or the next if that goes on."""
    following = dict(links)
    leading = {second: first for first, second in links}
    for i in range(1, len(scraps.pieces)):
        free = i - 1 not in following and i not in leading
        if free and scraps.goes_on(i, way(i - 1, leading)):
            following[i - 1] = i
    return following


def way(start: int, following: Mapping[int, int]) -> list[int]:
    """Return a fragment and all that follow it, each once where they go in a circle.

    >>> way(3, {3: 5, 5: 4, 4: 3})
    [3, 5, 4]
    """
    passed = {start: None}  # which keeps its order
    i = following.get(start)
    while i is not None and i not in passed:
        passed[i] = None
        i = following.get(i)
    return list(passed)


def sums(groups: Sequence[Iterable[int]], n: int) -> Any:
    """Return the sparse matrix (n_groups, n) whose product with n rows sums them by group.

    >>> sums([[0, 2], [1]], 3).toarray().tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    from scipy import sparse  # noqa: PLC0415

    places = [(k, i) for k, group in enumerate(groups) for i in group]
    rows, columns = np.array(places, np.int64).reshape(-1, 2).T
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), (len(groups), n))


def cosines(first: Any, second: Any) -> Floats:
    """Return the cosines of sparse rows with others, 0 for an empty row: (n_first, n_second)."""
    lengths = [np.sqrt((rows * rows).sum(axis=1)) for rows in (first, second)]
    found: Floats = (first @ second.T).toarray() / np.maximum(np.outer(*lengths), 1e-9)
    return found


def agreement(first: Floats, second: Floats) -> Floats:
    """Return how much likelier rows of label probabilities are of one label than by chance.

    Rows are scaled to sum to 1. The value is ln(sum over labels of p q / prior + 0.05), where the
    prior is half what labels have on average and half even. Shape (n_first, n_second).
    """
    p, q = (rows / rows.sum(axis=1, keepdims=True) for rows in (first, second))
    n_labels = p.shape[1]
    prior = 0.25 * (p.mean(axis=0) + q.mean(axis=0)) + 0.5 / n_labels
    found: Floats = np.log((p / prior) @ q.T + 0.05)
    return found


def _beyond_average(values: Floats, among: NDArray[np.bool_]) -> Floats:
    """Return the log ratios of values to what their rows and columns have on average."""
    kept = np.where(among, values, 0.0)
    of_row, of_column = (
        kept.sum(axis=axis, keepdims=True) / np.maximum(among.sum(axis=axis, keepdims=True), 1)
        for axis in (1, 0)
    )
    ratios = np.log((values + LITTLE) / (np.sqrt(of_row * of_column) + LITTLE))
    return np.where(among, ratios, 0.0)
