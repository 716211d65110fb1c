"""The settings of `TopicClassifier` that suit some data, found by trying them on held-out folds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lanmu.features import Ints
from lanmu_training.classifier import TopicClassifier
from lanmu_training.evaluate import score
from lanmu_training.labeled_data import LabeledData, check_trainable
from lanmu_training.leakage import groups
from lanmu_training.progress import Progress, quiet

CHOICES: dict[str, tuple[Any, ...]] = {
    "C": (0.3, 0.6, 1.0, 2.0),
    "ratio_weight": (0.0, 0.15, 0.3, 0.5),
    "min_df": (1, 2, 3),
    "ngram_weight": (0.5, 0.7, 1.0, 1.4),
    "max_ngram": (1, 2, 3),
    "class_weight": (None, "balanced"),
}
"""What is tried of each setting, those that matter most first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings, the macro-F1 they reached on held-out paragraphs, and the seconds it took."""

    settings: dict[str, Any]
    macro_f1: float
    seconds: float


def tune(
    data: LabeledData, *, minutes: float = 5.0, progress: Progress = quiet
) -> tuple[Trial, ...]:
    """Try settings one at a time, from the defaults on, keeping what is better; best first.

    The order is fixed, so that the same data give the same trials; `minutes` only cuts them short.
    A trial is judged by the macro-F1 over the folds of training, which part no article and no
    near-duplicates.

    Raises
    ------
    LabeledDataError
        The data can't be trained on.
    """
    group = groups(data)
    check_trainable(data, group)
    deadline = time.monotonic() + 60 * minutes
    total = 1 + sum(len(values) - 1 for values in CHOICES.values())
    trials = list(progress(_trials(data, group, deadline), total, "trials"))
    return tuple(sorted(trials, key=lambda trial: -trial.macro_f1))


def _trials(data: LabeledData, group: Ints, deadline: float) -> Iterator[Trial]:
    defaults = TopicClassifier().get_params()

    def tried(settings: dict[str, Any]) -> Trial:
        start = time.monotonic()
        classifier = TopicClassifier(**settings).fit(data.texts, data.labels, group)
        held_out = classifier.classes_[classifier.held_out_scores_.argmax(axis=1)]
        macro_f1 = score(data.labels, held_out, group).macro_f1
        return Trial(settings, macro_f1, time.monotonic() - start)

    best = tried({name: defaults[name] for name in CHOICES})
    yield best
    for name, values in CHOICES.items():
        for value in values:
            if value == defaults[name]:
                continue
            if time.monotonic() + best.seconds > deadline:
                return
            trial = tried({**best.settings, name: value})
            yield trial
            if trial.macro_f1 > best.macro_f1:
                best = trial
