"""A page that was read, as one HTML document that needs no other file.

On the left stand the fragments as they stand on the page, coloured by topic; on the right the
articles put together. The document's own policy lets it load nothing, and run only the script and
the style whose hashes it names. The script draws the arrows and lights up what belongs together;
all else is there without it.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib import resources
from itertools import accumulate, groupby, pairwise
from math import ceil
from operator import itemgetter

from lanmu.joins import Join
from lanmu.page import Article, Page, Paragraph
from lanmu.topic_model import OTHER, Labelled, Span, TopicModel

_GOLDEN_ANGLE = 137.508  # degrees: any number of hues, each far from those before it
_FIRST_HUE = 30.0
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"}
_SHOWN = str.maketrans(_PICTURES | {0x7F: 0x2421} | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD))
_BROKEN = 0.5
_LEAST, _LEAST_SHARE = 0.1, 0.2  # log-odds, and of the strongest; a word below is not marked
_STRENGTHS = 3
_MOST_WORDS = 4
_LINE_BREAK = re.compile(r"\s*[\r\n]\s*")
_LATIN_LINE_BREAK = re.compile(r"(?<=[A-Za-z0-9,.;:])\s*[\r\n]\s*(?=[A-Za-z0-9])")
_MOST_EVIDENCE = 6
_IN_CHINESE = {  # the names of evidence
    "word_across": "断口处合成一词",
    "character_pair": "两字常连用",
    "open_quote": "引号括号相配",
    "quote_mismatch": "引号括号不配",
    "numbering": "序号相连",
    "shared_words": "两块共有的词",
    "shared_article": "前后文共有的词",
    "context_size": "前后文的长短",
    "topic": "主题相合",
    "topic_clash": "主题不同",
    "next": "版面上紧接",
    "backward": "版面上倒退",
    "ends_between": "中间另有断句",
    "ends_broken": "句尾断开",
    "begins_broken": "句首断开",
}


def page_html(pages: Page | Mapping[int, Page], model: TopicModel, title: str = "") -> str:
    """Return a document that shows a page, or several one below the other.

    Parameters
    ----------
    pages
        What `lanmu.page.read_page` made of a page, or of pages of a file by their numbers.
    model
        The model that labelled them; it tells which words decided.
    title
        What the document is called: the name of the file, say.

    Examples
    --------
    >>> from lanmu import load_model, read_page
    >>> model = load_model()
    >>> html = page_html(read_page("供热管网 <昨夜> 试水。", model), model)
    >>> html.startswith("<!doctype html>"), "<昨夜>" in html
    (True, False)
    """
    pages = {1: pages} if isinstance(pages, Page) else pages
    style = _asset("css") + "".join(_colours(model))
    script = _asset("js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    views = [_View(page, number, model) for number, page in pages.items()]
    return (
        '<!doctype html>\n<html lang="zh"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)} 栏目 lanmu</title>\n<style>{style}</style></head>\n<body>\n"
        f"{_masthead(list(pages.values()), model, title)}<main>\n"
        f"{''.join(view.html(numbered=len(pages) > 1) for view in views)}</main>\n"
        f"<script>{script}</script>\n</body></html>\n"
    )


def _asset(kind: str) -> str:
    return resources.files("lanmu").joinpath(f"page_html.{kind}").read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    """Return text for HTML; what HTML can't hold is shown by a character that stands for it."""
    return escape(text.translate(_SHOWN))


def _topics(model: TopicModel) -> list[str]:
    return [label for label in model.labels if label != OTHER]


def _colours(model: TopicModel) -> Iterator[str]:
    """Yield a rule for each topic: a topic has one colour on every page that its model reads."""
    for k, _ in enumerate(_topics(model)):
        hue = round((_FIRST_HUE + k * _GOLDEN_ANGLE) % 360)
        yield (
            f".t{k}{{--ink:oklch(.42 .11 {hue});--bar:oklch(.6 .12 {hue});"
            f"--tint:oklch(.965 .018 {hue});--word:oklch(.86 .09 {hue})}}\n"
        )


def _colour(label: str | None, model: TopicModel) -> str:
    topics = _topics(model)
    return f"t{topics.index(label)}" if label in topics else "none"


def _masthead(pages: Sequence[Page], model: TopicModel, title: str) -> str:
    counts = Counter(fragment.label for page in pages for fragment in page.fragments)
    legend = "".join(
        f'<li class="{_colour(label, model)}"><b>{_topic(label)}</b> {n}</li>'
        for label, n in counts.most_common()
    )
    told = (
        f"{sum(counts.values())} 块 <i lang=en>fragments</i>，"
        f"{sum(len(page.seams) for page in pages)} 处相接 <i lang=en>joins</i>，"
        f"{sum(len(page.articles) for page in pages)} 篇 <i lang=en>articles</i>"
    )
    heading = _text(title) or "版面 <i lang=en>Page</i>"
    return (
        f'<header><p class="brand">栏目 <i lang=en>lanmu</i></p><h1>{heading}</h1>'
        f'<p class="summary">{told}</p>'
        f'<ul class="legend" aria-label="主题与块数 Topics and fragments">{legend}</ul></header>\n'
    )


def _topic(label: str | None) -> str:
    return "无主题" if label is None else _text(label)


def _probability(label: Labelled) -> str:
    return "" if label.probability is None else f" {label.probability:.2f}"


def _verdict(label: Labelled) -> str:
    """Return a paragraph's topic and its probability, the reason for none in a tooltip."""
    reason = "" if label.reason is None else f' title="{_text(label.reason)}"'
    return f'<span class="verdict"{reason}><b>{_topic(label.label)}</b>{_probability(label)}</span>'


def _why(join: Join) -> str:
    """Return what spoke most for and against a join, a line each, for a tooltip."""
    lines = [f"{join.first + 1} → {join.second + 1}  {join.probability:.2f}"]
    for evidence in join.evidence[:_MOST_EVIDENCE]:
        chinese = _IN_CHINESE.get(evidence.name, "")
        lines.append(f"{evidence.weight:+.2f}  {chinese} {evidence.name.replace('_', ' ')}")
    return _text("\n".join(lines))


def _run(text: str) -> str:
    """Return a run of the page's text, without line breaks, which are layout."""
    return _text(_LINE_BREAK.sub("", text))


def _missing(chinese: str, english: str, probability: float) -> str:
    if probability < _BROKEN:
        return ""
    return f'<span class="missing" title="{english} {probability:.2f}">{chinese}</span>'


@dataclass(frozen=True)
class _View:
    """A page, its number in the document, and what its parts are called there.

    A paragraph is called by its first fragment.
    """

    page: Page
    number: int
    model: TopicModel

    @cached_property
    def _home(self) -> dict[int, tuple[int, Paragraph]]:
        """The article and the paragraph of each fragment."""
        return {
            i: (a, paragraph)
            for a, article in enumerate(self.page.articles)
            for paragraph in article.paragraphs
            for i in paragraph.fragments
        }

    @cached_property
    def _onto(self) -> dict[int, Join]:
        return {join.first: join for join in self.page.seams}

    @cached_property
    def _from(self) -> dict[int, Join]:
        return {join.second: join for join in self.page.seams}

    def _id(self, kind: str, index: int) -> str:
        return f"p{self.number}-{kind}{index + 1}"

    def html(self, numbered: bool) -> str:
        """Return the section of the page: the sheet, and the articles beside it."""
        page = self.page
        heading = (
            f"<h2>第 {self.number} 页 <i lang=en>Page {self.number}</i></h2>" if numbered else ""
        )
        fragments = "".join(self._fragment(i) for i in range(len(page.fragments)))
        arrows = "".join(map(self._arrow, page.seams))
        articles = "".join(self._article(a, article) for a, article in enumerate(page.articles))
        return (
            f'<section class="page">{heading}<div class="spread">\n'
            '<section class="sheet" aria-label="版面 The page as it stands">'
            "<h2>版面 <i lang=en>The page as it stands</i></h2>"
            f'<div class="frame"><div class="columns">\n{fragments}</div>'
            f'<svg class="arrows" aria-hidden="true">{arrows}</svg></div></section>\n'
            '<section class="articles" aria-label="文章 The articles put together">'
            f"<h2>文章 <i lang=en>The articles put together</i></h2>\n{articles}</section>\n"
            "</div></section>\n"
        )

    def _belongs(self, fragment: int) -> str:
        """Return what tells the script the article and the paragraph of a fragment."""
        a, paragraph = self._home[fragment]
        return (
            f'data-article="{self._id("a", a)}" '
            f'data-paragraph="{self._id("q", paragraph.fragments[0])}"'
        )

    def _fragment(self, i: int) -> str:
        fragment, (_, paragraph) = self.page.fragments[i], self._home[i]
        tag = "h3" if fragment.heading else "p"
        return (
            f'<div class="fragment {_colour(fragment.label, self.model)}" '
            f'id="{self._id("f", i)}" {self._belongs(i)}>'
            f'<p class="tag"><a class="number" href="#{self._id("q", paragraph.fragments[0])}" '
            f'aria-label="第 {i + 1} 块 Fragment {i + 1}">{i + 1}</a>'
            f"{_verdict(paragraph.label)}</p><{tag}>{self._before(i)}"
            f'<span class="text">{self._marked(i)}</span>'
            f"{self._after(i)}</{tag}></div>\n"
        )

    def _before(self, i: int) -> str:
        if join := self._from.get(i):
            return self._reference("from", join, join.first, "上接", "continued from")
        broken = self.page.fragments[i].begins_broken
        return _missing("缺上文", "its beginning is not on this page", broken)

    def _after(self, i: int) -> str:
        if join := self._onto.get(i):
            return self._reference("onto", join, join.second, "下转", "continued at")
        broken = self.page.fragments[i].ends_broken
        return _missing("缺下文", "its end is not on this page", broken)

    def _reference(self, way: str, join: Join, other: int, chinese: str, english: str) -> str:
        return (
            f'<a class="reference {way}" href="#{self._id("f", other)}" '
            f'title="{english} {other + 1}\n{_why(join)}">{chinese} {other + 1}</a>'
        )

    def _arrow(self, join: Join) -> str:
        label = self._home[join.first][1].label.label
        return (
            f'<g class="arrow {_colour(label, self.model)}" '
            f'data-from="{self._id("f", join.first)}" data-to="{self._id("f", join.second)}" '
            f"{self._belongs(join.first)}><title>{_why(join)}</title>"
            '<path class="reach"/><path class="line"/></g>'
        )

    def _article(self, a: int, article: Article) -> str:
        places = " ".join(f'<a href="#{self._id("f", i)}">{i + 1}</a>' for i in article.fragments)
        body = "".join(
            self._paragraph(paragraph, "h4" if n else "h3")
            for n, paragraph in enumerate(article.paragraphs)
        )
        name = _text(article.heading or article.text[:20])
        return (
            f'<article class="{_colour(article.topic, self.model)}" id="{self._id("a", a)}" '
            f'aria-label="{name}" data-article="{self._id("a", a)}">'
            f'<p class="tag"><b class="topic">{_topic(article.topic)}</b>'
            f'<span class="places">第 {places} 块</span></p>\n{body}</article>\n'
        )

    def _paragraph(self, paragraph: Paragraph, heading: str) -> str:
        name = self._id("q", paragraph.fragments[0])
        tag = heading if paragraph.heading else "p"
        pieces = [self._piece(paragraph.fragments[0])]
        for i, j in pairwise(paragraph.fragments):
            pieces += [self._seam(self._onto[i]), self._piece(j)]
        return (
            f'<div class="paragraph {_colour(paragraph.label.label, self.model)}" id="{name}" '
            f'data-paragraph="{name}"><{tag}>{"".join(pieces)}</{tag}>'
            f'<p class="why">{_verdict(paragraph.label)}{self._strongest(paragraph)}</p></div>\n'
        )

    def _piece(self, i: int) -> str:
        return f'<span class="piece">{self._marked(i)}</span>'

    def _seam(self, join: Join) -> str:
        return (
            f'<a class="seam" href="#{self._id("f", join.second)}" title="{_why(join)}" '
            f'aria-label="接缝 Seam {join.first + 1} → {join.second + 1}"></a>'
        )

    @cached_property
    def _deciding(self) -> dict[int, list[Span]]:
        """The words that decided on a paragraph's label, by the paragraph's first fragment."""
        deciding = {}
        for i, (_, paragraph) in self._home.items():
            if i == paragraph.fragments[0]:
                spans = self.model.explain(paragraph.text, paragraph.label.label).spans
                strongest = max((abs(span.weight) for span in spans), default=0.0)
                least = max(_LEAST_SHARE * strongest, _LEAST)
                deciding[i] = [span for span in spans if abs(span.weight) >= least]
        return deciding

    @cached_property
    def _marks(self) -> dict[int, list[tuple[int, int, Span]]]:
        """Where on the page the words that decided are, by fragment; a seam cuts a word in two."""
        marks: dict[int, list[tuple[int, int, Span]]] = {i: [] for i in self._home}
        for first, spans in self._deciding.items():
            paragraph = self._home[first][1]
            # the paragraph's text has the characters of its fragments, but for white space
            visible = [0, *accumulate(not character.isspace() for character in paragraph.text)]
            places = [(i, at) for i in paragraph.fragments for at in self._visible(i)]
            for span in spans:
                covered = places[visible[span.start] : visible[span.end]]
                for i, part in groupby(covered, key=itemgetter(0)):
                    own = [at for _, at in part]
                    marks[i].append((own[0], own[-1] + 1, span))
        return marks

    def _visible(self, i: int) -> list[int]:
        start, end = self.page.fragments[i].start, self.page.fragments[i].end
        return [at for at in range(start, end) if not self.page.text[at].isspace()]

    @cached_property
    def _text(self) -> str:
        """The page's text, each line break between words of Latin letters made blanks."""
        return _LATIN_LINE_BREAK.sub(lambda found: " " * len(found[0]), self.page.text)

    def _marked(self, i: int) -> str:
        """Return the text of a fragment, its words that decided marked."""
        fragment, (_, paragraph) = self.page.fragments[i], self._home[i]
        strongest = max((abs(s.weight) for s in self._deciding[paragraph.fragments[0]]), default=1)
        verdict = _topic(paragraph.label.label) + _probability(paragraph.label)
        pieces, at = [], fragment.start
        for start, end, span in self._marks[i]:
            strength = ceil(_STRENGTHS * abs(span.weight) / strongest)
            kind = f"{'for' if span.weight > 0 else 'against'}{strength}"
            pieces += [
                _run(self._text[at:start]),
                f'<mark class="{kind}" title="{_run(span.text)} {span.weight:+.2f} → {verdict}">',
                f"{_run(self._text[start:end])}</mark>",
            ]
            at = end
        return "".join([*pieces, _run(self._text[at : fragment.end])])

    def _strongest(self, paragraph: Paragraph) -> str:
        """Return the words that decided most, a word that comes again as one."""
        weights: dict[str, float] = {}
        for span in self._deciding[paragraph.fragments[0]]:
            weights[span.text] = weights.get(span.text, 0.0) + span.weight
        strongest = sorted(weights, key=lambda word: -abs(weights[word]))[:_MOST_WORDS]
        return "".join(f"<span>{_run(word)} {weights[word]:+.1f}</span>" for word in strongest)
