"""Paragraphs into sparse TF-IDF rows over words and character n-grams.

A text's features are its words (jieba's words of its Han runs, and its other runs of letters and
digits whole) and its character n-grams, n from 1 to `max_ngram`, within runs of letters of any
kind. A row holds (1 + ln tf) x idf for each known feature, with the smoothed idf = 1 + ln((1 + n) /
(1 + df)) of n training texts, scaled to length 1: the values of scikit-learn's TfidfVectorizer with
`sublinear_tf`, over words and n-grams together.

All of it runs on whole arrays over blocks of texts. A block is one array of code points in which
a newline, which normalised text never holds, follows each text.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lanmu.text import normalised_codes
from lanmu.words import FIRST_HAN, LAST_HAN, Cut

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int32]

MAX_NGRAM = 3
CODE_BITS = 21
"""What a code point needs; the key of an n-gram is its code points, the first one highest."""
_CODES = 1 << CODE_BITS
_BLOCK_SIZE = 1 << 15  # characters; the arrays made of them stay within a core's cache
_BLANK, _NEWLINE = 32, 10
_HAN, _LETTER = 1, 2
_LETTERS = (  # letters and digits other than the dictionary's Han: code points, last included
    (0x30, 0x39), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x24F), (0x370, 0x52F),
    (0x3005, 0x3007), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3400, 0x4DBF),
    (LAST_HAN + 1, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x323AF),
)  # fmt: skip
_UNKNOWN, _END_OF_TEXT = -1, -2
_NUMBER_BITS = np.uint64(24)
_NUMBERS = np.uint64((1 << 24) - 1)
_EMPTY = np.uint64((1 << 64) - 1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Knuth's multiplicative hash
_PIECES = re.compile(r"[ \n]|[^ \n]+")


def _kinds() -> NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    table[FIRST_HAN : LAST_HAN + 1] = _HAN
    for first, last in _LETTERS:
        table[first : last + 1] = _LETTER
    return table


_KINDS = _kinds()


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Sparse rows: row i has `values[starts[i]:starts[i + 1]]` at those `features`, ascending."""

    starts: Ints
    features: Ints
    values: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Normalised texts in one array, a newline after each.

    `codes` are the code points, `origin` the position of each in the original texts joined by
    single characters, and `kinds` tell Han (1) from other letters and digits (2) and the rest (0);
    all of shape (n_characters,).
    """

    codes: NDArray[np.uint32]
    origin: NDArray[np.intp]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Block":
        """Normalise texts into a block.

        >>> Block.of(["供热", "A"]).codes.tolist()
        [20379, 28909, 10, 97, 10]
        """
        codes, origin = normalised_codes(" ".join([*texts, ""]))
        ends = np.cumsum([len(text) + 1 for text in texts]) - 1
        codes[np.searchsorted(origin, ends)] = _NEWLINE
        return cls(codes, origin, _KINDS.take(codes))

    def words(self, cut: Cut) -> tuple[list[str], Ints]:
        """Return the words, and the position in the block of each character of theirs.

        First the words of the Han runs of all texts, then the other runs of all texts. Between
        words stand blanks, and after each text of either pass a newline, as words of their own.
        """
        han, han_at = self._only(_HAN)
        words = cut(han)
        if not (self.kinds == _LETTER).any():
            return words, han_at
        letters, letters_at = self._only(_LETTER)
        return words + _PIECES.findall(letters), np.concatenate([han_at, letters_at])

    def _only(self, kind: int) -> tuple[str, Ints]:
        """Return the runs of one kind and the newlines, with a blank after each run."""
        kept = (self.kinds == kind) | (self.codes == _NEWLINE)
        after_kept = np.concatenate([[False], kept[:-1]])
        at = np.flatnonzero(kept | after_kept)
        codes = np.where(kept, self.codes, _BLANK).take(at)
        return codes.astype("<u4").tobytes().decode("utf-32-le"), at


class FeatureNumbers(Protocol):
    """What numbers words and n-grams, each from 0 on; -1 is unknown, and -2 a newline.

    As a feature, an n-gram has a number that is `first_ngram` higher.
    """

    @property
    def max_ngram(self) -> int: ...  # noqa: D102
    @property
    def first_ngram(self) -> int: ...  # noqa: D102
    def of_words(self, words: list[str]) -> Numbers: ...  # noqa: D102
    def of_characters(self, codes: NDArray[np.uint32]) -> Numbers: ...  # noqa: D102
    def of_longer(self, ngrams: Numbers, characters: Numbers) -> Numbers: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Vocabulary:
    r"""The features of a model: words in order, then n-grams in order, as keys of code points.

    With an n-gram that is longer than a character its beginning and its last character are there
    too: no text has the whole without them.

    >>> vocabulary = Vocabulary(("供热",), np.array([0x4F9B], dtype=np.uint64), max_ngram=1)
    >>> vocabulary.of_words(["供热", "停暖", "\n"]).tolist(), len(vocabulary)
    ([0, -1, -2], 2)
    """

    words: tuple[str, ...]
    ngrams: Keys
    max_ngram: int

    def __len__(self) -> int:
        return len(self.words) + len(self.ngrams)

    @property
    def first_ngram(self) -> int:
        """The number of the first n-gram as a feature."""
        return len(self.words)

    def prepare(self) -> None:
        """Build the look-up tables now rather than at the first look-up."""
        _ = self._word_numbers, self._character_numbers, self._longer_numbers

    @cached_property
    def _word_numbers(self) -> dict[str, int]:
        numbers = dict(zip(self.words, range(len(self.words)), strict=True))
        numbers["\n"] = _END_OF_TEXT
        return numbers

    @cached_property
    def _n_characters(self) -> int:
        return int(np.searchsorted(self.ngrams, np.uint64(_CODES)))

    @cached_property
    def _character_numbers(self) -> Numbers:
        numbers = np.full(_CODES, _UNKNOWN, np.int32)
        numbers[self.ngrams[: self._n_characters]] = np.arange(self._n_characters)
        return numbers

    @cached_property
    def _longer_numbers(self) -> "_HashTable":
        longer = self.ngrams[self._n_characters :]
        beginnings = np.searchsorted(self.ngrams, longer >> np.uint64(CODE_BITS))
        characters = np.searchsorted(self.ngrams, longer & np.uint64(_CODES - 1))
        return _HashTable.of(self._pairs(beginnings, characters), self._n_characters)

    def _pairs(self, ngrams: NDArray[np.integer], characters: NDArray[np.integer]) -> Keys:
        return ngrams.astype(np.uint64) * np.uint64(self._n_characters) + characters.astype(
            np.uint64
        )

    def of_words(self, words: list[str]) -> Numbers:
        """Return the number of each word; -1 for an unknown word, -2 for a newline."""
        numbers = map(self._word_numbers.get, words, itertools.repeat(_UNKNOWN))
        return np.fromiter(numbers, np.int32, len(words))

    def of_characters(self, codes: NDArray[np.uint32]) -> Numbers:
        """Return the number of each code point as an n-gram; -1 for an unknown one."""
        return self._character_numbers.take(codes)

    def of_longer(self, ngrams: Numbers, characters: Numbers) -> Numbers:
        """Return the numbers of n-grams with a character more; -1 for an unknown one."""
        return self._longer_numbers.find(self._pairs(ngrams, characters))


def are_ngrams(keys: Keys, max_ngram: int) -> bool:
    """Tell whether keys can be a vocabulary's.

    They must ascend, none be longer than `max_ngram`, a longer one have its beginning and its last
    character among them, and the pairs of these be few enough for the look-up table.
    """
    characters = keys[: np.searchsorted(keys, np.uint64(_CODES))]
    if len(keys) >= 1 << 24 or len(keys) * len(characters) >= 1 << 40:
        return False
    if len(keys) and (keys[0] == 0 or int(keys[-1]) >= _CODES**max_ngram):
        return False
    longer = keys[len(characters) :]
    return (
        bool((keys[1:] > keys[:-1]).all())
        and _all_among(longer >> np.uint64(CODE_BITS), keys)
        and _all_among(longer & np.uint64(_CODES - 1), characters)
    )


def _all_among(keys: Keys, ascending: Keys) -> bool:
    if len(keys) and not len(ascending):
        return False
    places = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return bool((ascending.take(places) == keys).all())


@dataclass(frozen=True, slots=True)
class _HashTable:
    """Numbers of keys below 2**40, by open addressing, whole arrays at each step.

    An entry is a key and, in its lowest 24 bits, the key's number; so one look fetches both.
    """

    entries: Keys

    @classmethod
    def of(cls, keys: Keys, first_number: int) -> "_HashTable":
        """Make a table of distinct keys, which are numbered from `first_number`."""
        size = 1 << max(4, (2 * len(keys)).bit_length())
        table = cls(np.full(size, _EMPTY))
        entries = (keys << _NUMBER_BITS) | np.arange(
            first_number, first_number + len(keys), dtype=np.uint64
        )
        slots = table._first_slots(keys)
        while len(entries):
            free = np.flatnonzero(table.entries.take(slots) == _EMPTY)
            table.entries[slots[free]] = entries[free]  # of two in one slot, the last one stays
            left = np.flatnonzero(table.entries.take(slots) != entries)
            entries, slots = entries.take(left), (slots.take(left) + 1) % size
        return table

    def _first_slots(self, keys: Keys) -> Ints:
        bits = len(self.entries).bit_length() - 1
        return ((keys * _GOLDEN) >> np.uint64(64 - bits)).view(np.int64)

    def find(self, keys: Keys) -> Numbers:
        slots = self._first_slots(keys)
        entries = self.entries.take(slots)
        looking = np.flatnonzero((entries >> _NUMBER_BITS != keys) & (entries != _EMPTY))
        while len(looking):
            slots[looking] = (slots.take(looking) + 1) % len(self.entries)
            there = self.entries.take(slots.take(looking))
            entries[looking] = there
            on = (there >> _NUMBER_BITS != keys.take(looking)) & (there != _EMPTY)
            looking = looking[on]
        numbers = (entries & _NUMBERS).astype(np.int32)
        numbers[entries == _EMPTY] = _UNKNOWN
        return numbers


def blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Part texts into lists of some 32,000 characters, a longer text in one of its own."""
    block: list[str] = []
    size = 0
    for text in texts:
        if block and size + len(text) > _BLOCK_SIZE:
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text) + 1
    if block:
        yield block


def ngrams(block: Block, numbers: FeatureNumbers) -> Iterator[tuple[Numbers, Ints]]:
    """Yield the numbers of the known n-grams and where each begins, for each n from 1."""
    character = numbers.of_characters(np.where(block.kinds, block.codes, _NEWLINE))
    at = np.flatnonzero(character >= 0)
    number = character.take(at)
    for n in range(1, numbers.max_ngram + 1):
        if n > 1:  # no place is the block's last, which is a newline
            following = character.take(at + (n - 1))
            on = np.flatnonzero(following >= 0)
            longer = numbers.of_longer(number.take(on), following.take(on))
            known = np.flatnonzero(longer >= 0)
            number, at = longer.take(known), at.take(on.take(known))
        yield number, at


def count(block: Block, numbers: FeatureNumbers, cut: Cut) -> Rows:
    """Count the known features of each text of a block."""
    ends = np.flatnonzero(block.codes == _NEWLINE)
    text_at = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    word = numbers.of_words(block.words(cut)[0])
    text_of_word = np.cumsum(word == _END_OF_TEXT) % len(ends)  # letters begin at text 0 again
    known = np.flatnonzero(word >= 0)
    features, texts = [word.take(known)], [text_of_word.take(known)]
    for number, at in ngrams(block, numbers):
        features.append(number + np.int32(numbers.first_ngram))
        texts.append(text_at.take(at))
    return _merged(np.concatenate(texts), np.concatenate(features), len(ends))


def _merged(text: Ints, feature: Numbers, n_texts: int) -> Rows:
    """Sort (text, feature) pairs and count the equal ones."""
    bits = int(feature.max(initial=0)).bit_length()
    pairs = (text << bits) | feature
    if n_texts << bits <= 1 << 32:  # half the bytes sort in half the time
        pairs = pairs.astype(np.uint32)
    pairs.sort()
    first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]])[: len(pairs)])
    counts = np.diff(first, append=len(pairs))
    pairs = pairs.take(first).astype(np.int64)
    starts = np.searchsorted(pairs, np.arange(n_texts + 1) << bits)
    return Rows(starts, pairs & ((1 << bits) - 1), counts.astype(np.float64))


def tfidf(counts: Rows, idf: Floats) -> Rows:
    """Weigh counts by (1 + ln tf) x idf and scale each row to length 1."""
    values = idf.take(counts.features)
    repeated = np.flatnonzero(counts.values > 1)
    values[repeated] *= 1.0 + np.log(counts.values.take(repeated))
    lengths = np.sqrt(_row_sums(values * values, counts.starts))
    values /= np.repeat(lengths, np.diff(counts.starts))
    return Rows(counts.starts, counts.features, values)


def _row_sums(values: Floats, starts: Ints) -> Floats:
    """Sum each row by itself: it has the same sum to the last bit alone and among others."""
    sums = np.zeros(len(starts) - 1)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(values, starts.take(filled))
    return sums


def smoothed_idf(df: NDArray[np.integer], n_texts: int) -> Floats:
    """Return 1 + ln((1 + n) / (1 + df)), as scikit-learn's TfidfTransformer does.

    >>> smoothed_idf(np.array([0, 1]), 1).round(3).tolist()
    [1.693, 1.0]
    """
    idf: Floats = 1.0 + np.log((1.0 + n_texts) / (1.0 + df))
    return idf


def scores(rows: Rows, weights: NDArray[np.float32]) -> Floats:
    """Return the product of rows with weights (n_columns, n_features): (n_rows, n_columns)."""
    columns = [
        _row_sums(weight.take(rows.features) * rows.values, rows.starts) for weight in weights
    ]
    return np.stack(columns, axis=1)


class _GrowingNumbers:
    """Feature numbers that give each new feature the next number."""

    first_ngram = 1 << 30

    def __init__(self, max_ngram: int) -> None:
        self.max_ngram = max_ngram
        self.words: dict[str, int] = defaultdict(itertools.count().__next__)
        self.words |= {" ": _UNKNOWN, "\n": _END_OF_TEXT}
        self.ngrams: dict[int, int] = defaultdict(itertools.count().__next__)

    def of_words(self, words: list[str]) -> Numbers:
        return np.fromiter(map(self.words.__getitem__, words), np.int32, len(words))

    def of_characters(self, codes: NDArray[np.uint32]) -> Numbers:
        numbers = self._of_ngrams(codes.astype(np.int64))
        numbers[codes == _NEWLINE] = _UNKNOWN
        return numbers

    def of_longer(self, ngrams: Numbers, characters: Numbers) -> Numbers:
        return self._of_ngrams(((ngrams + 1).astype(np.int64) << 32) | characters)

    def _of_ngrams(self, signs: Ints) -> Numbers:
        """Return the numbers of n-grams by sign: a code point, or a beginning's number above it."""
        distinct, which = np.unique(signs, return_inverse=True)
        numbers = map(self.ngrams.__getitem__, distinct.tolist())
        return np.fromiter(numbers, np.int32, len(distinct)).take(which)

    def keys(self) -> Keys:
        """Return the key of each n-gram, in order of number."""
        signs = np.fromiter(self.ngrams, np.int64, len(self.ngrams))
        keys = signs.astype(np.uint64)
        longer = np.flatnonzero(signs >> 32)
        for _ in range(1, self.max_ngram):  # the keys of beginnings first, then of what they begin
            beginnings = keys.take((signs.take(longer) >> 32) - 1)
            characters = keys.take(signs.take(longer) & 0xFFFFFFFF)
            keys[longer] = (beginnings << np.uint64(CODE_BITS)) | characters
        return keys


def learn(
    texts: Iterable[str], cut: Cut, *, max_ngram: int, min_df: int
) -> tuple[Vocabulary, Ints, Rows]:
    """Learn the vocabulary of texts in one pass.

    Returns
    -------
    The features that at least `min_df` texts have, in how many texts each is, shape (n_features,),
    and their counts in each text.
    """
    growing = _GrowingNumbers(max_ngram)
    parts = [count(Block.of(block), growing, cut) for block in blocks(texts)]
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    features = np.concatenate([part.features for part in parts])
    values = np.concatenate([part.values for part in parts])
    del parts

    words = [word for word, number in growing.words.items() if number >= 0]
    keys = growing.keys()
    features[features >= growing.first_ngram] -= growing.first_ngram - len(words)
    df = np.bincount(features, minlength=len(words) + len(keys))
    kept_words = sorted(np.flatnonzero(df[: len(words)] >= min_df), key=words.__getitem__)
    kept_keys = np.flatnonzero(df[len(words) :] >= min_df)
    kept_keys = kept_keys[np.argsort(keys[kept_keys])]
    kept = np.concatenate([np.array(kept_words, np.int64), kept_keys + len(words)])
    if not are_ngrams(keys[kept_keys], max_ngram):
        raise ValueError(
            f"{len(kept_keys)} n-grams are in min_df={min_df} texts or more, which is more than a "
            "model can hold: raise min_df or lower max_ngram"
        )
    vocabulary = Vocabulary(tuple(words[i] for i in kept_words), keys[kept_keys], max_ngram)

    renumbered = np.full(len(df), _UNKNOWN, np.int64)
    renumbered[kept] = np.arange(len(kept))
    features = renumbered.take(features)
    known = np.flatnonzero(features >= 0)
    text = np.repeat(np.arange(len(lengths)), lengths).take(known)
    features, values = features.take(known), values.take(known)
    order = np.argsort((text << 32) | features)
    starts = np.searchsorted(text, np.arange(len(lengths) + 1))
    return vocabulary, df[kept], Rows(starts, features.take(order), values.take(order))
