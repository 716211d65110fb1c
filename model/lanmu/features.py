"""Paragraphs into sparse TF-IDF rows over words and character n-grams.

A text's features are its words (jieba's words of its Han runs, and its other runs of letters and
digits whole) and its character n-grams, n from 1 to `max_ngram`, within runs of letters of any
kind. A row holds (1 + ln tf) x idf for each known feature, with the smoothed idf = 1 + ln((1 + n) /
(1 + df)) of n training texts, scaled to length 1: the values of scikit-learn's TfidfVectorizer with
`sublinear_tf`, over words and n-grams together.

All of it runs on whole arrays over blocks of texts. A block is one array of code points in which
a newline, which normalised text never holds, follows each text. `count` takes any block;
`count_one` takes fewer steps, each of which is slower on long texts.
"""

import itertools
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lanmu.text import normalised_codes
from lanmu.words import FIRST_HAN, HAN_RUN, LAST_HAN, Cut

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int32]
Pairs = NDArray[np.unsignedinteger]

MAX_NGRAM = 3
CODE_BITS = 21
"""What a code point needs; the key of an n-gram is its code points, the first one highest."""
_CODES = 1 << CODE_BITS
_BLOCK_SIZE = 1 << 15  # characters; the arrays made of them stay within a core's cache
_GROUP_SIZE = 8 * _BLOCK_SIZE  # characters that go through each step together
_SHORT = 1000  # characters of a text that `count_one` counts sooner
_BLANK, _NEWLINE = 32, 10
_HAN, _LETTER, _END = 1, 2, 4  # kinds of characters
_LETTERS = (  # letters and digits other than the dictionary's Han: code points, last included
    (0x30, 0x39), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x24F), (0x370, 0x52F),
    (0x3005, 0x3007), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3400, 0x4DBF),
    (LAST_HAN + 1, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x323AF),
)  # fmt: skip
_UNKNOWN = -1
_ROW = 256  # characters that are sorted together at least
_NUMBER_BITS = np.uint64(24)
_NUMBERS = np.uint64((1 << 24) - 1)
_EMPTY = np.uint64((1 << 64) - 1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Knuth's multiplicative hash
_LETTER_RUN = re.compile(
    "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _LETTERS) + "]+"
)


def _kinds() -> NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    table[FIRST_HAN : LAST_HAN + 1] = _HAN
    for first, last in _LETTERS:
        table[first : last + 1] = _LETTER
    table[_NEWLINE] = _END
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
    single characters, and `kinds` tell Han (1), other letters and digits (2), newlines (4) and the
    rest (0); all of shape (n_characters,).
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
        ends = [after - 1 for after in itertools.accumulate(len(text) + 1 for text in texts)]
        codes[origin.searchsorted(ends)] = _NEWLINE
        return cls(codes, origin, _KINDS.take(codes))

    def words(self, cut: Cut) -> "Words":
        r"""Return the words of the Han runs, then the other runs whole.

        >>> block = Block.of(["供热abc管网", "供热"])
        >>> words = block.words(lambda runs: ["供热", " ", "管网", "\n", "供热", "\n"])
        >>> words.texts(), words.starts.tolist()
        (['供热', '管网', '供热', 'abc'], [0, 5, 8, 2])
        """
        han, others = self._han_words(cut), self._other_words()
        pairs = zip(han, others, strict=True)
        return Words(self.codes, *map(np.concatenate, pairs))

    def word_texts(self, cut: Cut) -> list[str]:
        """Return the texts of `words`, which takes no look at where they stand."""
        text = _text(self.codes)
        return cut(" ".join(HAN_RUN.findall(text))) + _LETTER_RUN.findall(text)

    def _han_words(self, cut: Cut) -> tuple[Ints, Ints]:
        """Cut the Han runs, with a blank after each, and a newline after each text."""
        kept = self.kinds & (_HAN | _END) != 0
        wanted = kept.copy()
        wanted[1:] |= kept[:-1]
        (at,) = wanted.nonzero()
        codes = np.where(kept, self.codes, _BLANK).take(at)
        marked = np.frombuffer("\0".join(cut(_text(codes))).encode("utf-32-le"), dtype="<u4")
        (parted,) = (marked == 0).nonzero()
        edges = np.concatenate([[0], parted - np.arange(len(parted)), [len(at)]])
        starts = at.take(edges[:-1])
        (words,) = (self.kinds.take(starts) == _HAN).nonzero()
        return starts.take(words), (edges[1:] - edges[:-1]).take(words)

    def _other_words(self) -> tuple[Ints, Ints]:
        edges = np.flatnonzero(np.diff(self.kinds == _LETTER, prepend=False))
        starts, ends = edges[::2], edges[1::2]
        return starts, ends - starts


def _text(codes: NDArray[np.uint32]) -> str:
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le")


@dataclass(frozen=True, eq=False, slots=True)
class Words:
    """Words of a block that has these codes: where each starts, and its length.

    `starts` and `lengths` have the shape (n_words,).
    """

    codes: NDArray[np.uint32]
    starts: Ints
    lengths: Ints

    def texts(self) -> list[str]:
        """Return the text of each word."""
        text = _text(self.codes)
        ends = (self.starts + self.lengths).tolist()
        return [text[start:end] for start, end in zip(self.starts.tolist(), ends, strict=True)]

    def take(self, which: Ints) -> "Words":
        """Return some of the words."""
        return Words(self.codes, self.starts.take(which), self.lengths.take(which))


class FeatureNumbers(Protocol):
    """What numbers words and n-grams, each from 0 on; -1 is unknown.

    As a feature, an n-gram has a number that is `first_ngram` higher; all are below `size`.
    """

    @property
    def max_ngram(self) -> int: ...  # noqa: D102
    @property
    def first_ngram(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    def of_words(self, words: Words, ngrams: Numbers) -> Numbers: ...  # noqa: D102
    def of_characters(self, codes: NDArray[np.uint32]) -> Numbers: ...  # noqa: D102
    def of_longer(self, ngrams: Numbers, characters: Numbers) -> Numbers: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The features of a model: words in order, then n-grams in order, as keys of code points.

    With an n-gram that is longer than a character its beginning and its last character are there
    too: no text has the whole without them.

    >>> len(Vocabulary(("供热",), np.array([0x4F9B], dtype=np.uint64), max_ngram=1))
    2
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

    @property
    def size(self) -> int:
        """The number of features."""
        return len(self)

    def prepare(self) -> None:
        """Build now what every look-up takes; what blocks take besides is built for the first."""
        _ = self._word_numbers, self._character_numbers

    @cached_property
    def _short_words(self) -> tuple[int, Numbers]:
        """Return a length up to which words are n-grams too, and the word that each n-gram is.

        The latter ends with what an unknown n-gram is, so that -1 finds it.
        """
        lengths = np.fromiter(map(len, self.words), np.int64, len(self.words))
        starts = np.cumsum(lengths) - lengths
        codes = np.frombuffer("".join(self.words).encode("utf-32-le"), dtype="<u4")
        word_of_ngram = np.full(len(self.ngrams) + 1, _UNKNOWN, np.int32)
        for length in range(1, self.max_ngram + 1):
            words = np.flatnonzero(lengths == length)
            ngrams = self.of_keys(_keys(codes, starts.take(words), length))
            if (ngrams < 0).any():
                return length - 1, word_of_ngram
            word_of_ngram[ngrams] = words
        return self.max_ngram, word_of_ngram

    @cached_property
    def _word_numbers(self) -> dict[str, int]:
        return dict(zip(self.words, range(len(self.words)), strict=True))

    @cached_property
    def _n_characters(self) -> int:
        return int(np.searchsorted(self.ngrams, np.uint64(_CODES)))

    @cached_property
    def _character_numbers(self) -> Numbers:
        numbers = np.full(_LETTERS[-1][1] + 1, _UNKNOWN, np.int32)
        numbers[self.ngrams[: self._n_characters]] = np.arange(self._n_characters)
        return numbers

    @cached_property
    def _longer_numbers(self) -> "_HashTable":
        longer = self.ngrams[self._n_characters :]
        beginnings = self.ngrams.searchsorted(longer >> np.uint64(CODE_BITS))
        characters = self._character_numbers.take(_last(longer))
        return _HashTable.of(self._pairs(beginnings, characters), self._n_characters)

    def _pairs(self, ngrams: NDArray[np.integer], characters: NDArray[np.integer]) -> Keys:
        return (ngrams.astype(np.int64) * self._n_characters + characters).view(np.uint64)

    @cached_property
    def _longer_words(self) -> "tuple[_HashTable, Numbers] | None":
        """Return what numbers the beginnings of longer words, and the word that each of them is.

        The first beginning is an n-gram, and each other one that and a character more. None where
        one of those is unknown, as in no learnt vocabulary, or where there are too many.
        """
        short, _ = self._short_words
        words = [word for word in enumerate(self.words) if len(word[1]) > short]
        if not short or not words:
            return None
        number, texts = zip(*words, strict=True)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
        at = np.cumsum(lengths) - lengths
        beginnings = self.of_keys(_keys(codes, at, short)).astype(np.int64)
        characters = self.of_keys(codes)
        size = len(self.ngrams) + len(codes)
        if beginnings.min() < 0 or characters.min() < 0 or not _can_pair(size, self._n_characters):
            return None
        parts: list[Keys] = []
        word_of_beginning: list[Numbers] = []
        left, which, n_found = lengths - short, np.array(number), len(self.ngrams)
        at += short
        while len(which):
            pairs = self._pairs(beginnings, characters.take(at))
            distinct, beginnings = np.unique(pairs, return_inverse=True)
            word = np.full(len(distinct), _UNKNOWN, np.int32)
            word[beginnings[left == 1]] = which[left == 1]
            parts.append(distinct)
            word_of_beginning.append(word)
            beginnings += n_found
            n_found += len(distinct)
            (on,) = (left > 1).nonzero()
            beginnings, which = beginnings.take(on), which.take(on)
            at, left = at.take(on) + 1, left.take(on) - 1
        table = _HashTable.of(np.concatenate(parts), len(self.ngrams))
        return table, np.concatenate(word_of_beginning)

    def of_words(self, words: Words, ngrams: Numbers) -> Numbers:
        """Return the number of each word; -1 for an unknown one.

        A word is found through the n-gram that begins where it starts: a short one is that, a
        longer one goes on from it, a character at a time.
        """
        short, word_of_ngram = self._short_words
        (longer,) = (words.lengths > short).nonzero()
        lengths = words.lengths.copy()
        lengths[longer] = 0
        of_ngrams = ngrams.take(lengths * ngrams.shape[1] + words.starts)
        numbers: Numbers = word_of_ngram.take(of_ngrams)
        numbers[longer] = self._of_longer_words(words.take(longer), ngrams)
        return numbers

    def _of_longer_words(self, words: Words, ngrams: Numbers) -> Numbers:
        if self._longer_words is None:
            return self.of_texts(words.texts())
        table, word_of_beginning = self._longer_words
        short, _ = self._short_words
        numbers = np.full(len(words.starts), _UNKNOWN, np.int32)
        beginnings = ngrams[short].take(words.starts)
        which, at, left = np.arange(len(numbers)), words.starts + short, words.lengths - short
        while len(which):
            characters = ngrams[1].take(at)
            (on,) = ((beginnings >= 0) & (characters >= 0)).nonzero()
            which, at, left = which.take(on), at.take(on) + 1, left.take(on) - 1
            beginnings = table.find(self._pairs(beginnings.take(on), characters.take(on)))
            (ended,) = ((left == 0) & (beginnings >= 0)).nonzero()
            numbers[which.take(ended)] = word_of_beginning.take(
                beginnings.take(ended) - len(self.ngrams)
            )
            (on,) = (left > 0).nonzero()
            which, at, left, beginnings = (a.take(on) for a in (which, at, left, beginnings))
        return numbers

    def of_texts(self, words: Sequence[str]) -> Numbers:
        """Return the number of each word; -1 for an unknown one."""
        found = map(self._word_numbers.get, words, itertools.repeat(_UNKNOWN))
        return np.fromiter(found, np.int32, len(words))

    def of_keys(self, keys: Keys) -> Numbers:
        """Return the number of each n-gram by its key; -1 for an unknown one."""
        if not len(self.ngrams):
            return np.full(len(keys), _UNKNOWN, np.int32)
        places = self.ngrams.searchsorted(keys)
        known = self.ngrams.take(places, mode="clip") == keys
        return np.where(known, places, _UNKNOWN).astype(np.int32)

    def of_features(self, other: "Vocabulary") -> Numbers:
        """Return the number here of each feature of another vocabulary; -1 for one it lacks.

        >>> own, other = (Vocabulary((w,), np.array([0x4F9B], np.uint64), 1) for w in ("热", "供"))
        >>> own.of_features(other).tolist()
        [-1, 1]
        """
        ngrams = _shifted(self.of_keys(other.ngrams), self.first_ngram)
        return np.concatenate([self.of_texts(other.words), ngrams])

    def of_characters(self, codes: NDArray[np.uint32]) -> Numbers:
        """Return the number of each code point as an n-gram; -1 for an unknown one."""
        return self._character_numbers.take(codes)

    def of_longer(self, ngrams: Numbers, characters: Numbers) -> Numbers:
        """Return the numbers of n-grams with a character more; -1 for an unknown one."""
        return self._longer_numbers.find(self._pairs(ngrams, characters))


def are_ngrams(keys: Keys, max_ngram: int) -> bool:
    """Tell whether keys can be a vocabulary's.

    They must ascend, none be longer than `max_ngram`, all be of letters, a longer one have its
    beginning and its last character among them, and the pairs of these be few enough for the
    look-up table.
    """
    if not (keys[1:] > keys[:-1]).all():
        return False
    characters, longer = np.split(keys, keys.searchsorted([np.uint64(_CODES)]))
    if not _can_pair(len(keys), len(characters)):
        return False
    if len(keys) and int(keys[-1]) >= _CODES**max_ngram:
        return False
    known = np.zeros(_CODES, bool)
    known[_last(characters)] = True
    beginnings = longer >> np.uint64(CODE_BITS)
    (changes,) = (beginnings[1:] != beginnings[:-1]).nonzero()  # for the keys ascend
    beginnings = np.append(beginnings.take(changes), beginnings[-1:])
    return bool(
        (_KINDS.take(_last(characters), mode="clip") & (_HAN | _LETTER)).all()
        and known.take(_last(longer)).all()
        and (keys.take(keys.searchsorted(beginnings)) == beginnings).all()
    )


def _can_pair(n_beginnings: int, n_characters: int) -> bool:
    """Tell whether the look-up table can hold pairs of so many, and number them."""
    return n_beginnings < 1 << 24 and n_beginnings * n_characters < 1 << 40


def _keys(codes: NDArray[np.unsignedinteger], starts: Ints, length: int) -> Keys:
    """Return the keys of the n-grams of a length that start there among code points."""
    keys = np.zeros(len(starts), np.uint64)
    for offset in range(length):
        keys = (keys << np.uint64(CODE_BITS)) | codes.take(starts + offset)
    return keys


def _last(keys: Keys) -> Ints:
    """Return the last code point of each n-gram."""
    return (keys & np.uint64(_CODES - 1)).view(np.int64)


@dataclass(frozen=True, slots=True)
class _HashTable:
    """Numbers of keys below 2**40, by open addressing, whole arrays at each step.

    An entry is a key and, in its lowest 24 bits, the key's number; so one look fetches both.
    """

    entries: Keys

    @classmethod
    def of(cls, keys: Keys, first_number: int) -> "_HashTable":
        """Make a table of distinct keys, which are numbered from `first_number`."""
        size = 1 << max(4, (4 * len(keys)).bit_length())
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
        keys = keys << _NUMBER_BITS
        found = entries ^ keys  # the number, where the entry is the key's
        looking = np.flatnonzero((found > _NUMBERS) & (entries != _EMPTY))
        while len(looking):
            slots[looking] = (slots.take(looking) + 1) % len(self.entries)
            entries = self.entries.take(slots.take(looking))
            differing = entries ^ keys.take(looking)
            found[looking] = differing
            looking = looking[(differing > _NUMBERS) & (entries != _EMPTY)]
        return np.where(found > _NUMBERS, _EMPTY, found).astype(np.int32)  # which makes that -1


def blocks(texts: Iterable[str], size: int = _BLOCK_SIZE) -> Iterator[list[str]]:
    """Part texts into lists of up to `size` characters, a longer text in one of its own."""
    block: list[str] = []
    held = 0
    for text in texts:
        if block and held + len(text) > size:
            yield block
            block, held = [], 0
        block.append(text)
        held += len(text) + 1
    if block:
        yield block


def counted(
    texts: Iterable[str], vocabulary: Vocabulary, cut: Cut
) -> Iterator[tuple[list[str], Rows]]:
    """Yield blocks of texts, and how often each text has which known features.

    A group of blocks is cut before any of them is counted, so that the dictionary which cutting
    looks into, and then the vocabulary, stay in the core's cache.

    >>> vocabulary = Vocabulary(("供热",), np.array([0x4F9B], dtype=np.uint64), max_ngram=1)
    >>> ((texts, rows),) = counted(["供热供热"], vocabulary, lambda _: ["供热", "供热"])
    >>> texts, rows.features.tolist(), rows.values.tolist()
    (['供热供热'], [0, 1], [2.0, 2.0])
    """
    for group in blocks(texts, _GROUP_SIZE):
        if len(group) == 1 and len(group[0]) <= _SHORT:
            yield group, count_one(Block.of(group), vocabulary, cut)
            continue
        parts = list(blocks(group))
        parsed = [Block.of(part) for part in parts]
        words = [block.words(cut) for block in parsed]
        rows = [count(block, vocabulary, of) for block, of in zip(parsed, words, strict=True)]
        yield from zip(parts, rows, strict=True)


def ngrams(block: Block, numbers: FeatureNumbers) -> Numbers:
    """Return the numbers of the n-grams, shape (1 + max_ngram, n_characters).

    Row n has the number of the n-gram that begins at each character, -1 where there is none that is
    known; row 0 has none.
    """
    found = np.full((1 + numbers.max_ngram, len(block.codes)), _UNKNOWN, np.int32)
    for n in range(1, numbers.max_ngram + 1):
        if n == 1:
            found[1] = numbers.of_characters(np.where(block.kinds, block.codes, _NEWLINE))
            continue
        beginning, last = found[n - 1, : 1 - n], found[1, n - 1 :]
        (at,) = ((beginning >= 0) & (last >= 0)).nonzero()
        found[n, at] = numbers.of_longer(beginning.take(at), last.take(at))
    return found


def count(block: Block, numbers: FeatureNumbers, words: Words) -> Rows:
    """Count the known features of each text of a block that has these words."""
    features = ngrams(block, numbers)
    word = numbers.of_words(words, features)
    features[1:] = _shifted(features[1:], numbers.first_ngram)
    (known,) = (word >= 0).nonzero()
    features[0, words.starts.take(known)] = word.take(known)

    ends = np.flatnonzero(block.kinds == _END) + 1
    bits = numbers.size.bit_length()
    width = "u4" if len(ends) << bits <= 1 << 32 else "u8"  # the narrow ones sort sooner
    text = (np.arange(len(ends)) << bits).astype(width).repeat(np.diff(ends, prepend=0))
    return _merged(_sorted(features.astype(width) | text, ends), bits, len(ends))


def count_one(block: Block, vocabulary: Vocabulary, cut: Cut) -> Rows:
    """Count as `count` does the known features of a block of one text, sooner if it is short."""
    codes = np.where(block.kinds, block.codes, _NEWLINE)
    ngrams = [vocabulary.of_characters(codes)]
    keys = last = codes.astype(np.uint64)
    for n in range(1, vocabulary.max_ngram):
        keys = (keys[:-1] << np.uint64(CODE_BITS)) | last[n:]
        ngrams.append(vocabulary.of_keys(keys))
    words = vocabulary.of_texts(block.word_texts(cut))
    shifted = _shifted(np.concatenate(ngrams), vocabulary.first_ngram)
    features = np.concatenate([words, shifted], dtype=np.int64)
    features.sort()
    features = features[features.searchsorted(0) - 1 :]  # the newline is one that is unknown
    (before,) = (features[1:] != features[:-1]).nonzero()
    edges = np.concatenate([before, [len(features) - 1]])
    counts = (edges[1:] - edges[:-1]).astype(np.float64)
    return Rows(np.array([0, len(before)]), features.take(before + 1), counts)


def _shifted(numbers: Numbers, first: int) -> Numbers:
    """Return numbers from `first` on; -1 stays, since shifting right makes all its bits of it."""
    return (numbers + np.int32(first)) | (numbers >> 31)


def _sorted(pairs: Pairs, ends: Ints) -> Pairs:
    """Sort the pairs (n_kinds, n_characters) of texts that end there, each text's together.

    Many short rows of whole texts are sorted sooner than a long one. What fills the rows up is the
    pair of a newline, as of any character without a feature: the highest number there is.
    """
    stops, size = ends.tolist(), max(_ROW, int(np.diff(ends, prepend=0).max()))
    edges = [0]
    while edges[-1] < stops[-1]:
        edges.append(stops[bisect_right(stops, edges[-1] + size) - 1])
    rows = pairs.reshape(1, -1)
    if len(edges) > 2:
        first, stop = np.array(edges[:-1])[:, None], np.array(edges[1:])[:, None]
        at = np.minimum(first + np.arange(size), stop - 1)
        rows = np.concatenate([kind.take(at) for kind in pairs], axis=1)
    rows.sort(axis=1)
    return rows.ravel()


def _merged(pairs: Pairs, bits: int, n_texts: int) -> Rows:
    """Count the equal ones of sorted pairs of text and feature, the feature in the lowest bits.

    The last pair is one without a feature, and counts for nothing.
    """
    (last,) = (pairs[1:] != pairs[:-1]).nonzero()
    edges = np.concatenate([[0], last + 1, [len(pairs)]])
    counts = edges[1:] - edges[:-1]
    distinct = pairs.take(edges[:-1])
    (known,) = (distinct != pairs[-1]).nonzero()
    distinct = distinct.take(known).astype(np.int64)
    starts = distinct.searchsorted(np.arange(n_texts + 1) << bits)
    return Rows(starts, distinct & ((1 << bits) - 1), counts.take(known).astype(np.float64))


def tfidf(counts: Rows, idf: Floats) -> Rows:
    """Weigh counts by (1 + ln tf) x idf, the idf of each, and scale each row to length 1."""
    values = idf * (1.0 + np.log(counts.values))
    lengths = np.sqrt(_row_sums(values * values, counts.starts))
    values /= lengths.repeat(counts.starts[1:] - counts.starts[:-1])
    return Rows(counts.starts, counts.features, values)


def _row_sums(values: Floats, starts: Ints) -> Floats:
    """Sum each row of the last axis by itself: alone it has the same sum as among others."""
    filled = starts[1:] > starts[:-1]
    if filled.all():
        return np.add.reduceat(values, starts[:-1], axis=-1)
    sums = np.zeros((*values.shape[:-1], len(filled)))
    if filled.any():
        sums[..., filled] = np.add.reduceat(values, starts[:-1][filled], axis=-1)
    return sums


def smoothed_idf(df: NDArray[np.integer], n_texts: int) -> Floats:
    """Return 1 + ln((1 + n) / (1 + df)), as scikit-learn's TfidfTransformer does.

    >>> smoothed_idf(np.array([0, 1]), 1).round(3).tolist()
    [1.693, 1.0]
    """
    idf: Floats = 1.0 + np.log((1.0 + n_texts) / (1.0 + df))
    return idf


def scores(rows: Rows, weights: NDArray[np.float32]) -> Floats:
    """Return the sums of rows of values by their weights, shape (n_values, n_columns).

    They are the product of the rows with the weights of all features: (n_rows, n_columns).
    """
    products = weights.T.astype(np.float64, order="C")
    products *= rows.values
    return _row_sums(products, rows.starts).T


class _GrowingNumbers:
    """Feature numbers that give each new feature the next number."""

    first_ngram = 1 << 30
    size = 1 << 31

    def __init__(self, max_ngram: int) -> None:
        self.max_ngram = max_ngram
        self.words: dict[str, int] = defaultdict(itertools.count().__next__)
        self.ngrams: dict[int, int] = defaultdict(itertools.count().__next__)

    def of_words(self, words: Words, ngrams: Numbers) -> Numbers:
        found = map(self.words.__getitem__, words.texts())
        return np.fromiter(found, np.int32, len(words.starts))

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
    parsed = map(Block.of, blocks(texts))
    parts = [count(block, growing, block.words(cut)) for block in parsed]
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    features = np.concatenate([part.features for part in parts])
    values = np.concatenate([part.values for part in parts])
    del parts

    words = list(growing.words)
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
