"""A newspaper page, cut by columns and shuffled, into whole articles.

A page is read in five steps: it is parted into fragments; each fragment's beginning and end is
judged (`lanmu.fragments`); broken ends are joined with broken beginnings (`lanmu.joins`); fragments
are put together as articles (`lanmu.articles`); and each paragraph is labelled once it is whole.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lanmu.articles import find_articles
from lanmu.fragments import joined
from lanmu.joins import Join, Scraps, Weights, find_joins
from lanmu.model_file import load_model
from lanmu.text import paragraphs
from lanmu.topic_model import Labelled, TopicModel

_WORTH_NAMING = 0.2  # of an article's characters, for a topic to be one of the article's


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of the page, `page.text[start:end]`.

    `heading` tells whether it is a heading; `begins_broken` and `ends_broken` are the probabilities
    that it begins and ends in the middle of a sentence; `label` and `probability` are those of the
    paragraph that it is part of.
    """

    start: int
    end: int
    heading: bool
    begins_broken: float
    ends_broken: float
    label: str | None
    probability: float | None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Fragments that were joined, or a single one: numbers of fragments, their text and its label.

    The text is without the line breaks of the layout.
    """

    fragments: tuple[int, ...]
    text: str
    heading: bool
    label: Labelled


@dataclass(frozen=True, slots=True)
class Article:
    """What belongs together on a page, in reading order.

    `text` is its paragraphs with newlines between, `heading` the first of them where it is a
    heading. `topic` is the label that most of its characters have by their paragraphs; `topics` are
    those besides "other" that at least a fifth of them have, most first.
    """

    fragments: tuple[int, ...]
    heading: str | None
    text: str
    topic: str | None
    topics: tuple[str, ...]
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page and what was read off it.

    `fragments` stand in the order of the text, with white space alone between them; `seams` are the
    joins with their evidence; each fragment is in one article.
    """

    text: str
    fragments: tuple[Fragment, ...]
    seams: tuple[Join, ...]
    articles: tuple[Article, ...]

    @property
    def joins(self) -> list[tuple[int, int]]:
        """The pairs (i, j) of fragments of which i runs on, mid-sentence, into j."""
        return [(seam.first, seam.second) for seam in self.seams]


def read_page(text: str, model: TopicModel | None = None) -> Page:
    r"""Put the articles of a newspaper page together again.

    Parameters
    ----------
    text
        The page as it was copied or scanned: fragments with blank lines between, in any order; a
        page without any blank line has a fragment a line.
    model
        Labels the paragraphs; the shipped model if None.

    Returns
    -------
    The page; without fragments where the text is empty or blank.

    Examples
    --------
    >>> page = read_page("今晚点火，热水送进城东七十四个小\n\n湿地飞来候鸟。\n\n区。明天测温。")
    >>> page.joins
    [(0, 2)]
    >>> [article.text for article in page.articles]
    ['今晚点火，热水送进城东七十四个小区。明天测温。', '湿地飞来候鸟。']
    """
    model = load_model() if model is None else model
    spans = paragraphs(text)
    if not spans:
        return Page(text, (), (), ())
    texts = [text[start:end] for start, end in spans]
    weights = Weights.shipped()
    scraps = Scraps.of(texts, model, weights)
    seams = find_joins(scraps, model, weights)
    following = {seam.first: seam.second for seam in seams}
    beginnings = scraps.judge_beginnings(following.items(), model, weights)
    found = find_articles(scraps, list(following.items()), weights)
    parts = [_joined_runs(fragments, following) for fragments in found]
    whole = [[joined(texts[i] for i in run) for run in runs] for runs in parts]
    labels = iter(model.label(paragraph for article in whole for paragraph in article))
    articles = []
    for runs, wholes in zip(parts, whole, strict=True):
        made = [
            Paragraph(tuple(run), paragraph, bool(scraps.headings[run[0]]), next(labels))
            for run, paragraph in zip(runs, wholes, strict=True)
        ]
        articles.append(_article(made))
    label_of = {
        i: paragraph.label
        for article in articles
        for paragraph in article.paragraphs
        for i in paragraph.fragments
    }
    fragments = [
        Fragment(
            *span,
            bool(scraps.headings[i]),
            float(beginnings[i]),
            float(scraps.ends[i]),
            label_of[i].label,
            label_of[i].probability,
        )
        for i, span in enumerate(spans)
    ]
    return Page(text, tuple(fragments), tuple(seams), tuple(articles))


def _joined_runs(fragments: Sequence[int], following: dict[int, int]) -> list[list[int]]:
    """Part the fragments of an article into paragraphs."""
    runs = [[fragments[0]]]
    for i in fragments[1:]:
        if following.get(runs[-1][-1]) == i:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _article(made: Sequence[Paragraph]) -> Article:
    characters: Counter[str | None] = Counter()
    of_topic: Counter[str] = Counter()
    for paragraph in made:
        characters[paragraph.label.label] += len(paragraph.text)
        for topic in paragraph.label.topics:
            of_topic[topic] += len(paragraph.text)
    least = _WORTH_NAMING * characters.total()
    return Article(
        tuple(i for paragraph in made for i in paragraph.fragments),
        made[0].text if made[0].heading else None,
        "\n".join(paragraph.text for paragraph in made),
        characters.most_common(1)[0][0],
        tuple(topic for topic, times in of_topic.most_common() if times >= least),
        tuple(made),
    )
