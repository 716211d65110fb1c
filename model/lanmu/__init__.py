"""Labels Chinese paragraphs by topic, with a probability and the words that decided."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lanmu.errors import LanmuError
from lanmu.model_file import ModelFileError, load_model
from lanmu.text import UndecodableTextError
from lanmu.topic_model import Explanation, Labelled, Span, TopicModel

if TYPE_CHECKING:
    from lanmu.joins import Evidence, Join
    from lanmu.page import Article, Fragment, Page, Paragraph, read_page

__all__ = [
    "Article",
    "Evidence",
    "Explanation",
    "Fragment",
    "Join",
    "Labelled",
    "LanmuError",
    "ModelFileError",
    "Page",
    "Paragraph",
    "Span",
    "TopicModel",
    "UndecodableTextError",
    "load_model",
    "read_page",
]


def __getattr__(name: str) -> Any:
    """Import what reads pages once it is asked for: labelling starts sooner without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "lanmu.joins" if name in {"Evidence", "Join"} else "lanmu.page"
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
