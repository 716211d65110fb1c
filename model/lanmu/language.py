"""How well two pieces of text run on into each other, by the texts that a model was trained on."""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lanmu.features import CODE_BITS, Floats
from lanmu.topic_model import TopicModel
from lanmu.words import Cut, cutter

_UNSEEN = 0.5  # times that something is taken to have been seen that never was
_UNKNOWN = ""  # stands for words that the training texts lack
_RARE = 3000  # characters in use that the training texts may lack


@dataclass(frozen=True, eq=False, slots=True)
class Language:
    """How often characters, pairs of them and words were in the training texts.

    All digits count as "0". `followed` tells how often a character had one of the known pairs after
    it, `followers` how many different ones; `words` are the words' log probabilities.
    """

    characters: Counter[str]
    pairs: Counter[str]
    followed: Counter[str]
    followers: Counter[str]
    words: dict[str, float]
    cut: Cut

    @classmethod
    @functools.lru_cache(maxsize=2)
    def of(cls, model: TopicModel) -> "Language":
        """Read the frequencies off a model's document frequencies.

        A feature in df of n texts is taken to have been there -n ln(1 - df / n) times, as it would
        if it had been scattered at random.
        """
        known = model.vocabulary
        share = np.minimum(model.document_frequencies / model.n_texts, 1 - 0.5 / model.n_texts)
        times = -model.n_texts * np.log1p(-share)
        characters, pairs = Counter[str](), Counter[str]()
        followed, followers = Counter[str](), Counter[str]()
        for key, n in zip(known.ngrams.tolist(), times[known.first_ngram :].tolist(), strict=True):
            if key < 1 << CODE_BITS:
                characters[_zero(chr(key))] += n
            elif key < 1 << 2 * CODE_BITS:
                first = _zero(chr(key >> CODE_BITS))
                pair = first + _zero(chr(key & ((1 << CODE_BITS) - 1)))
                followers[first] += pair not in pairs
                followed[first] += n
                pairs[pair] += n
        of_words = np.append(times[: known.first_ngram], _UNSEEN)
        log_shares = np.log(of_words / of_words.sum()).tolist()
        words = dict(zip((*known.words, _UNKNOWN), log_shares, strict=True))
        return cls(characters, pairs, followed, followers, words, cutter(model.user_words))

    def character_pairs(self, last: Sequence[str], first: Sequence[str]) -> Floats:
        """Return ln P(b | a) / P(b) for each character a of `last` and b of `first`.

        P(b | a) is smoothed as by Witten and Bell (1991): what never followed `a` is the likelier,
        the more different characters did. It is 0 for what is no letter or digit. Shape (n_last,
        n_first).
        """
        total = self.characters.total() + _UNSEEN * _RARE

        @functools.cache
        def ratio(a: str, b: str) -> float:
            if not (a.isalnum() and b.isalnum()) or not (self.characters[a] or self.characters[b]):
                return 0.0
            share = (self.characters[b] + _UNSEEN) / total
            rest = max(self.characters[a] - self.followed[a], 0.0)
            novel = self.followers[a] + rest / 2 + 1
            seen = self.pairs[a + b]
            return float(np.log((seen + novel * share) / (self.followed[a] + rest + novel) / share))

        first = [_zero(b) for b in first]
        found = [[ratio(a, b) for b in first] for a in map(_zero, last)]
        return np.array(found, float).reshape(len(last), len(first))

    def words_across(self, tails: Sequence[str], heads: Sequence[str]) -> Floats:
        """Return ln P(words of tail + head) / (P(words of tail) P(words of head)) for each pair.

        Tails and heads are runs of Han characters or "". The value is above 0 where the dictionary
        has a word across the cut, the more so the less its parts are words. Shape (n_tails,
        n_heads).
        """
        by_tail, by_head = self._log_probabilities(tails), self._log_probabilities(heads)
        whole = self._log_probabilities([t + h if t and h else "" for t in tails for h in heads])
        gain = whole.reshape(len(tails), len(heads)) - by_tail[:, None] - by_head[None, :]
        meet = np.logical_and.outer([t != "" for t in tails], [h != "" for h in heads])
        return np.where(meet, gain, 0.0)

    def _log_probabilities(self, runs: Sequence[str]) -> Floats:
        filled = [n for n, run in enumerate(runs) if run]
        found = np.zeros(len(runs))
        if filled:
            words = self.cut("\n".join(runs[n] for n in filled))
            of_words = np.array([self.words.get(word, self.words[_UNKNOWN]) for word in words])
            ends = np.array([word == "\n" for word in words])
            of_words[ends] = 0.0
            found[filled] = np.bincount(np.cumsum(ends), of_words)
        return found


def _zero(character: str) -> str:
    return "0" if character.isdecimal() else character
