"""A tiny model, Python in a fresh process, and how a function's time grows."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lanmu import TopicModel, words
from lanmu_training import TopicClassifier, read_labeled

SENTENCES = Path(__file__).with_name("golden") / "format-1.jsonl"


@pytest.fixture(scope="session")
def model() -> TopicModel:
    """A model of heating, ecology and other from fifteen sentences, with a word of its own."""
    data = read_labeled(SENTENCES)
    user_words = ("供热管网",)  # heating network
    return TopicClassifier(user_words=user_words).fit(data.texts, data.labels).to_model()


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code in a Python of its own, with arguments, options and environment variables."""

    def run(
        code: str, *arguments: str | Path, options: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *options, "-c", code, *map(str, arguments)],
            env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def without_rjieba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where rjieba is not installed: it can't be imported, and no cutter is left over."""

    def fail(_: tuple[str, ...]) -> None:
        raise AssertionError("rjieba was asked for")

    monkeypatch.setitem(sys.modules, "rjieba", None)
    monkeypatch.setattr(words, "rjieba_cutter", fail)
    words._built_cutter.cache_clear()
    yield
    words._built_cutter.cache_clear()


@pytest.fixture(scope="session")
def growth() -> Callable[..., float]:
    """How much longer a function takes on an input four times as long: about 4 when linear."""

    def seconds(work: Callable[[object], object], given: object) -> float:
        start = time.process_time()
        work(given)
        return time.process_time() - start

    def ratio(work: Callable[[object], object], short: object, long: object) -> float:
        work(short)  # builds what is built once
        return min(seconds(work, long) for _ in range(3)) / max(
            min(seconds(work, short) for _ in range(3)), 1e-4
        )

    return ratio
