"""Labels Chinese paragraphs by topic, with a probability and the words that decided."""

from lanmu.errors import LanmuError
from lanmu.joins import Evidence, Join
from lanmu.model_file import ModelFileError, load_model
from lanmu.page import Article, Fragment, Page, Paragraph, read_page
from lanmu.text import UndecodableTextError
from lanmu.topic_model import Explanation, Labelled, Span, TopicModel

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
