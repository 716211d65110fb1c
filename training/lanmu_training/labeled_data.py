"""Labelled paragraphs: read from JSONL and checked at the door, by file, line and field."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lanmu.errors import LanmuError
from lanmu.features import Ints
from lanmu.text import normalise

MIN_EXAMPLES = 3
"""A label with fewer examples can't be trained: calibration needs some of them held out."""


class LabeledDataError(LanmuError):
    """Labelled data can't be used; the message names file, line and field and says what to do."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled paragraph.

    `article` names the piece that it is part of, whose paragraphs are never parted between folds;
    `also` are further labels that a reader would want it found under; `source` is "file:line".
    """

    text: str
    label: str
    article: str | None = None
    genre: str | None = None
    also: tuple[str, ...] = ()
    source: str = "unsaved"


@dataclass(frozen=True, slots=True)
class LabeledData:
    """Labelled paragraphs in an order that does not depend on how they lay in files."""

    examples: tuple[Example, ...]

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @property
    def texts(self) -> list[str]:
        """The paragraphs."""
        return [example.text for example in self.examples]

    @property
    def labels(self) -> list[str]:
        """The label of each paragraph."""
        return [example.label for example in self.examples]

    def digest(self) -> str:
        """Return the SHA-256 of all that training reads of the examples."""
        read = [[e.text, e.label, e.article] for e in self.examples]
        return hashlib.sha256(json.dumps(read, ensure_ascii=True).encode()).hexdigest()


def read_labeled(path: str | Path) -> LabeledData:
    r"""Read labelled paragraphs from a JSONL file, or from all `*.jsonl` files of a folder.

    A line is an object with "text" and "label", and optionally "article", "genre", "also" (a list
    of labels) and "id" (unique); other fields are left alone. Blank lines are passed over.

    Raises
    ------
    LabeledDataError
        For the first line that can't be used, or where there is none at all.
    OSError
        A file can't be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.jsonl")
    ...     _ = file.write_text('{"text": "今晚停暖抢修", "label": "heating"}\n', encoding="utf-8")
    ...     [example.label for example in read_labeled(file)]
    ['heating']
    """
    path = Path(path)
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise LabeledDataError(f"{path}: has no *.jsonl file; put labelled paragraphs there")
    first_seen: dict[str, str] = {}
    examples = [example for file in files for example in _examples(file, first_seen)]
    if not examples:
        raise LabeledDataError(f"{path}: has no labelled paragraph; write one JSON object a line")
    return LabeledData(tuple(sorted(examples, key=_content)))


def _content(example: Example) -> tuple[Any, ...]:
    optional = [(value is not None, value or "") for value in (example.article, example.genre)]
    return (example.text, example.label, example.also, *optional)


def _examples(file: Path, first_seen: dict[str, str]) -> Iterator[Example]:
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
        where = f"{file}:{number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise LabeledDataError(
                f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
            ) from error
        if text:
            yield _example(text, where, first_seen)


def _example(line: str, where: str, first_seen: dict[str, str]) -> Example:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LabeledDataError(
            f"{where}: is not JSON ({error}); write one object a line"
        ) from error
    if not isinstance(row, dict):
        raise LabeledDataError(f"{where}: is a JSON {type(row).__name__}; write an object")
    for name in ("text", "label"):
        if name not in row:
            raise LabeledDataError(f"{where}: field {name!r} is missing; add it")
    for name in ("text", "label", "article", "genre", "id"):
        value = row.get(name)
        optional = name not in ("text", "label")
        if not isinstance(value, str) and not (optional and value is None):
            raise LabeledDataError(f"{where}: field {name!r} is {value!r:.60}; write a string")
    if not normalise(row["text"]).strip():
        raise LabeledDataError(
            f"{where}: field 'text' is empty ({row['text']!r:.60}); drop the row"
        )
    label = row["label"].encode("utf-8", "replace").decode()
    if not label or row["label"] != label.strip():
        raise LabeledDataError(f"{where}: field 'label' is {row['label']!r}; write a plain name")
    also = [] if row.get("also") is None else row["also"]
    if not isinstance(also, list) or not all(isinstance(label, str) for label in also):
        raise LabeledDataError(f"{where}: field 'also' is {also!r:.60}; write a list of labels")
    if row.get("id") is not None:
        if row["id"] in first_seen:
            raise LabeledDataError(
                f"{where}: field 'id' {row['id']!r:.60} stands at {first_seen[row['id']]} too; "
                "give each row its own"
            )
        first_seen[row["id"]] = where
    article, genre = row.get("article"), row.get("genre")
    return Example(row["text"], row["label"], article, genre, tuple(also), where)


def check_trainable(data: LabeledData, group: Ints, n_groups: int = 2) -> None:
    """Raise LabeledDataError where a model can't be trained on the data.

    There must be two labels or more, `MIN_EXAMPLES` of each, from `n_groups` groups or more, and no
    text with two labels. `group`, of shape (n_examples,), numbers what is held out as one.
    """
    counts = Counter(data.labels)
    last = data.examples[-1]
    if len(counts) < 2:
        raise LabeledDataError(
            f"{last.source}: field 'label' is {last.label!r} here and in every row; "
            "training needs two labels or more"
        )
    groups_of: dict[str, set[int]] = {label: set() for label in counts}
    for example, number in zip(data, group.tolist(), strict=True):
        groups_of[example.label].add(number)
    seen: dict[str, Example] = {}
    for example in data:
        label, n = example.label, counts[example.label]
        if n < MIN_EXAMPLES:
            raise LabeledDataError(
                f"{example.source}: field 'label': {label!r} has {n} "
                f"example{'s' * (n > 1)}; write {MIN_EXAMPLES} or more, or correct the label"
            )
        if (own := len(groups_of[label])) < n_groups:
            raise LabeledDataError(
                f"{example.source}: field 'article': the {n} examples of {label!r} are of {own} "
                f"article{'s' * (own > 1)}, near-duplicates counted as one; it takes {n_groups}, "
                "so add some of another"
            )
        twin = seen.setdefault(normalise(example.text), example)
        if twin.label != label:
            raise LabeledDataError(
                f"{example.source}: field 'label' is {label!r}, but the same text has "
                f"{twin.label!r} at {twin.source}; keep one"
            )
