"""What in labelled data would spoil training, and what a writer of such data should look at."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lanmu_training.labeled_data import MIN_EXAMPLES, LabeledData
from lanmu_training.leakage import grams, near_duplicates, squeeze

LENGTHS = (25, 60, 120, 250)
"""The last number of characters of each class of length but the longest."""
_RUN = 12
_MANY = 6  # paragraphs that may share a run: a stock formula of public language does no harm
_NOT_HAN = re.compile(r"[^\W\d_\u3400-\u9fff\U00020000-\U000323af]")
_LETTER = re.compile(r"[^\W\d_]")
_NON_ASCII = re.compile(r"[^\x00-\x7f]{3,}")
_CHINESE = re.compile(
    "(?=.*[\u4e00-\u9fff])[\u00b0-\u00d7\u2010-\u2bff\u3000-\u9fff\uff00-\uffef]+"
)
_BROKEN = re.compile("\ufffd|锟斤拷|烫烫烫|屯屯屯")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at: of which kind, at which "file:line", and whether it spoils training."""

    kind: str
    where: str
    message: str
    spoils: bool


@dataclass(frozen=True, slots=True)
class Check:
    """How many paragraphs there are of each label, genre and length, and what was found."""

    labels: dict[str, int]
    genres: dict[str, int]
    lengths: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was found that would spoil training."""
        return not any(finding.spoils for finding in self.findings)


def check(data: LabeledData) -> Check:
    """Count labelled paragraphs and look for duplicates, conflicts, rare labels and broken text.

    Two near-duplicates with different labels, equal texts, labels with fewer than `MIN_EXAMPLES`
    paragraphs, mojibake and text that is not Chinese spoil training. Near-duplicates of one label
    and runs of 12 characters that stand in more than 6 paragraphs are worth a look.

    >>> from lanmu_training import Example
    >>> data = LabeledData((Example("hello world", "other", source="a.jsonl:1"),))
    >>> [(finding.kind, finding.where) for finding in check(data).findings]
    [('rare label', 'a.jsonl:1'), ('not Chinese', 'a.jsonl:1')]
    """
    findings = [*_duplicates(data), *_rare_labels(data), *_suspicious(data), *_repeated(data)]
    return Check(
        labels=dict(sorted(Counter(data.labels).items())),
        genres=dict(sorted(Counter(example.genre or "" for example in data).items())),
        lengths=_lengths(data),
        findings=tuple(findings),
    )


def _lengths(data: LabeledData) -> dict[str, int]:
    classes = np.searchsorted(LENGTHS, [len(example.text) for example in data])
    names = [f"{low + 1} to {high}" for low, high in zip((0, *LENGTHS), LENGTHS, strict=False)]
    names.append(f"over {LENGTHS[-1]}")
    return dict(zip(names, np.bincount(classes, minlength=len(names)).tolist(), strict=True))


def _duplicates(data: LabeledData) -> Iterator[Finding]:
    for pair in near_duplicates(data.texts):
        first, second = data.examples[pair.first], data.examples[pair.second]
        same = squeeze(first.text) == squeeze(second.text)
        alike = "the same text" if same else f"{pair.similarity:.0%} alike"
        if first.label != second.label:
            message = f"{second.label!r}, but {first.label!r} at {first.source}, {alike}; keep one"
            yield Finding("label conflict", second.source, message, spoils=True)
        elif same:
            message = f"the same text as {first.source}; drop one"
            yield Finding("duplicate", second.source, message, spoils=True)
        else:
            message = f"{alike} with {first.source}; rewrite or drop one"
            yield Finding("near-duplicate", second.source, message, spoils=False)


def _rare_labels(data: LabeledData) -> Iterator[Finding]:
    counts = Counter(data.labels)
    for example in data:
        label = example.label
        if (n := counts.pop(label, MIN_EXAMPLES)) < MIN_EXAMPLES:
            message = f"{label!r} has {n} of the {MIN_EXAMPLES} paragraphs that training needs"
            yield Finding("rare label", example.source, message, spoils=True)


def _suspicious(data: LabeledData) -> Iterator[Finding]:
    for example in data:
        if sign := _mojibake(example.text):
            message = f"looks decoded by the wrong encoding: {sign!r}"
            yield Finding("mojibake", example.source, message, spoils=True)
        elif 2 * len(_NOT_HAN.findall(example.text)) > len(_LETTER.findall(example.text)):
            message = f"most letters are not Chinese: {example.text!r:.40}"
            yield Finding("not Chinese", example.source, message, spoils=True)


def _mojibake(text: str) -> str | None:
    """Return a piece of text that is UTF-8 read as another encoding, or what broke on the way."""
    if broken := _BROKEN.search(text):
        return broken[0]
    for piece in _NON_ASCII.findall(text):
        for encoding in ("latin-1", "cp1252", "gb18030"):
            try:
                # the last character may have been lost with half of its bytes
                meant = codecs.getincrementaldecoder("utf-8")().decode(piece.encode(encoding))
            except UnicodeError:
                continue
            if _CHINESE.fullmatch(meant):
                return str(piece)
    return None


def _repeated(data: LabeledData) -> Iterator[Finding]:
    """Find each run that more than `_MANY` paragraphs share, the most common first."""
    texts = [squeeze(text) for text in data.texts]
    long = [i for i, text in enumerate(texts) if len(text) >= _RUN]
    if not long:
        return
    run, text = grams([texts[i] for i in long], _RUN)
    pairs = np.unique(np.stack([run, text], axis=1), axis=0)
    runs, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    told: set[bytes] = set()  # a longer phrase is many runs of the same paragraphs: tell one
    for k in np.argsort(-counts, kind="stable"):
        if counts[k] <= _MANY:
            break
        holders = pairs[starts[k] : starts[k] + counts[k], 1]
        if holders.tobytes() not in told:
            told.add(holders.tobytes())
            first = holders[0]
            at = int(np.flatnonzero((run == runs[k]) & (text == first))[0])
            offset = at - int(np.searchsorted(text, first))
            phrase = texts[long[first]][offset : offset + _RUN]
            message = f"{phrase!r} stands in {counts[k]} paragraphs"
            yield Finding("repeated run", data.examples[long[first]].source, message, spoils=False)
