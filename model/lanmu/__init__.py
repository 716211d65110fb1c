"""Labels Chinese paragraphs by topic, with a probability and the words that decided."""

from lanmu.errors import LanmuError
from lanmu.model_file import ModelFileError, load_model
from lanmu.text import UndecodableTextError
from lanmu.topic_model import Explanation, Labelled, Span, TopicModel

__all__ = [
    "Explanation",
    "Labelled",
    "LanmuError",
    "ModelFileError",
    "Span",
    "TopicModel",
    "UndecodableTextError",
    "load_model",
]
