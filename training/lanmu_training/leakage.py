"""Near-duplicates among paragraphs, and folds that nothing leaks across.

Two texts are near-duplicates when the sets of their character 5-grams (of the normalised text
without white space; a shorter text is one gram) have a Jaccard similarity of 0.5 or more. The
search is exact. It rests on prefix filtering (Chaudhuri, Ganti and Kaushik 2006): with each set
ordered from its rarest gram to its commonest, two sets of similarity t or more share a gram among
the first |s| - ceil(t |s|) + 1 of each; only pairs that meet there are counted in full.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from lanmu.features import Ints
from lanmu.text import normalise
from lanmu_training.labeled_data import LabeledData

SIMILARITY = 0.5
_GRAM = 5
_SHUFFLES = 1000  # where strata leave a label of few groups out of training, at random
_CHUNK = 4096  # rows or pairs at once: the memory of a step is bounded whatever the data


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two texts, by position, and the Jaccard similarity of their 5-grams."""

    first: int
    second: int
    similarity: float


def near_duplicates(texts: Sequence[str]) -> list[NearDuplicate]:
    """Return all pairs of near-duplicates, in order; of equal texts, each with the first alone.

    >>> near_duplicates(["供热站昨夜抢修完毕", "供热站昨夜抢修完毕。", "湿地里飞来一群白鹭"])
    [NearDuplicate(first=0, second=1, similarity=0.833...)]
    """
    squeezed = [squeeze(text) for text in texts]
    first_of: dict[str, int] = {}
    firsts = [first_of.setdefault(text, i) for i, text in enumerate(squeezed)]
    pairs = [NearDuplicate(first, i, 1.0) for i, first in enumerate(firsts) if first != i]
    distinct = np.array(sorted(first_of.values()), dtype=np.int64)
    sets = _gram_sets([squeezed[i] for i in distinct])
    sizes = np.diff(sets.indptr)
    for one, other in _candidates(sets):
        shared = (sets[one] * sets[other]).sum(axis=1)
        similarity = shared / (sizes[one] + sizes[other] - shared)
        near = similarity >= SIMILARITY
        pairs += map(
            NearDuplicate,
            distinct[one[near]].tolist(),
            distinct[other[near]].tolist(),
            similarity[near].tolist(),
        )
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def copies(train: Sequence[str], test: Sequence[str]) -> list[NearDuplicate]:
    """Return the pairs of a training text, `first`, and a test text, `second`, that are alike.

    Each test text is there at most once, with the training text that it is most like.

    >>> copies(["供热站昨夜抢修完毕"], ["湿地里飞来一群白鹭", "供热站昨夜抢修完毕。"])
    [NearDuplicate(first=0, second=1, similarity=0.833...)]
    """
    n, found = len(train), dict[int, NearDuplicate]()
    for pair in near_duplicates([*train, *test]):  # those of training texts come first
        first, second = pair.first, pair.second - n
        if first >= n:  # a test text; one equal to it is alike with the same training text
            if pair.similarity < 1.0 or first - n not in found:
                continue
            first = found[first - n].first
        if second >= 0 and (second not in found or found[second].similarity < pair.similarity):
            found[second] = NearDuplicate(first, second, pair.similarity)
    return [found[second] for second in sorted(found)]


def squeeze(text: str) -> str:
    """Return a text as it is compared: normalised, without white space."""
    return normalise(text).replace(" ", "")


def _gram_sets(texts: list[str]) -> sparse.csr_array:
    """Return which grams each text has, columns from the rarest gram to the commonest."""
    gram, text = grams(texts, _GRAM)
    _, gram, frequency = np.unique(gram, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(frequency, kind="stable"))
    sets = sparse.csr_array(
        (np.ones(len(gram), np.int32), (text, rank[gram])), shape=(len(texts), len(frequency))
    )
    sets.sum_duplicates()  # which sorts each row, too
    sets.data[:] = 1
    return sets


def grams(texts: list[str], n: int) -> tuple[Ints, Ints]:
    """Return the number of each character n-gram of each text, and the text that it is in.

    Equal n-grams have equal numbers. A text shorter than n is one gram.
    """
    padded = [text.ljust(n, "\n") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4").astype(np.int64)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    text = np.repeat(np.arange(len(padded)), lengths)
    ends = np.repeat(np.cumsum(lengths), lengths)
    inside = np.flatnonzero(np.arange(len(codes)) + n <= ends)
    return _gram_numbers(codes, n)[inside], text[inside]


def _gram_numbers(codes: Ints, n: int) -> Ints:
    """Return the number of the n-gram at each place, made of the numbers of its two halves."""
    if n == 1:
        return np.unique(codes, return_inverse=True)[1]
    tail = n // 2
    head = n - tail
    heads = _gram_numbers(codes, head)[: len(codes) - n + 1]
    tails = _gram_numbers(codes, tail)[head:]
    return np.unique(heads * (tails.max(initial=0) + 1) + tails, return_inverse=True)[1]


def _candidates(sets: sparse.csr_array) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs of rows, the lower number first, that share a gram within their prefixes."""
    sizes = np.diff(sets.indptr)
    prefix = sizes - np.ceil(SIMILARITY * sizes).astype(np.int64) + 1
    place_in_row = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], sizes)
    in_prefix = place_in_row < np.repeat(prefix, sizes)
    row = np.repeat(np.arange(len(sizes)), sizes)[in_prefix]
    prefixes = sparse.csr_array(
        (np.ones(len(row), np.int32), (row, sets.indices[in_prefix])), shape=sets.shape
    )
    by_gram = prefixes.T.tocsr()
    for start in range(0, len(sizes), _CHUNK):
        meetings = (prefixes[start : start + _CHUNK] @ by_gram).tocoo()
        one, other = meetings.row.astype(np.int64) + start, meetings.col.astype(np.int64)
        in_order = np.flatnonzero(one < other)
        for first in range(0, len(in_order), _CHUNK):
            chosen = in_order[first : first + _CHUNK]
            yield one[chosen], other[chosen]


def groups(data: LabeledData) -> Ints:
    """Return a group number for each example, shape (n_examples,).

    Examples are of one group when they share an article or are near-duplicates, or are joined by
    a chain of these. Only whole groups are held out.
    """
    first_of: dict[str, int] = {}
    links = [
        (first_of.setdefault(example.article, i), i)
        for i, example in enumerate(data)
        if example.article is not None
    ]
    links += [(pair.first, pair.second) for pair in near_duplicates(data.texts)]
    one, other = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(one)), (one, other)), shape=(len(data), len(data)))
    return np.asarray(connected_components(graph, directed=False)[1])


def folds(
    labels: ArrayLike, groups: ArrayLike | None, n_folds: int = 5, keep: int = 1
) -> list[tuple[Ints, Ints]]:
    """Return (train, test) positions of folds with about the same share of each label.

    A group is never parted; None takes each text as a group. There are fewer folds where a label
    has fewer groups. Outside each fold, `keep` groups of each label are left, where it has so many
    and one more.
    """
    labels = np.unique(np.asarray(labels), return_inverse=True)[1]
    numbers = np.arange(len(labels)) if groups is None else np.asarray(groups)
    numbers = np.unique(numbers, return_inverse=True)[1]
    has_group = np.zeros((labels.max() + 1, numbers.max() + 1), bool)
    has_group[labels, numbers] = True
    n_folds = max(2, min(n_folds, int(has_group.sum(axis=1).min())))
    least = np.minimum(keep, has_group.sum(axis=1) - 1)
    if groups is None:  # many times faster than parting as many groups
        parted = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(labels, labels)
    else:
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
        parted = splitter.split(labels, labels, numbers)
    parts = list(parted)
    for seed in range(_SHUFFLES):
        left = [has_group[:, np.unique(numbers[train])].sum(axis=1) for train, _ in parts]
        if all((n >= least).all() for n in left):
            break
        fold = (np.random.default_rng(seed).permutation(has_group.shape[1]) % n_folds)[numbers]
        parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]
    return parts
