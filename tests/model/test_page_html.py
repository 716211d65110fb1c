"""The document shows each fragment once where it stands and once in its article, and runs alone."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu import load_model
from lanmu.joins import Evidence, Join
from lanmu.page import Article, Fragment, Page, Paragraph, read_page
from lanmu.page_html import page_html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
EXAMPLE = Path(__file__).parents[2] / "examples" / "page.txt"
DATA = os.environ.get("LANMU_DATA")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
EMPTY = ("meta", "br")
PIECES = [  # a page of two articles that cut each other, and the end of a third
    "换热站昨夜并网",  # 0 heading: the heat station joined the network last night
    "今年供热季提前三天点火，居民家中的暖",  # 1 the heating season began early, the radia-
    "湿地飞来候鸟",  # 2 heading: migrant birds come to the wetland
    "白鹭成群，林场补种",  # 3 egrets in flocks; the forest farm planted
    "气片都热了。",  # 4 -tors are all warm
    "油松三千株。",  # 5 three thousand pines
    "了两个小时才散。",  # 6 for two hours before they parted: its beginning is elsewhere
]
JOINS = [(1, 4), (3, 5)]
ARTICLES = [[0, 1, 4], [2, 3, 5], [6]]
EVIDENCE = (Evidence("word_across", 1.0, 2.25), Evidence("topic", 0.5, -0.75))


def made_page(model, pieces=PIECES, joins=JOINS, articles=ARTICLES, blank="\n\n"):
    """A page of these pieces with these joins; the first piece of an article is its heading."""
    following = dict(joins)
    chains = {}
    for i in range(len(pieces)):
        if i not in following.values():
            chain = [i]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains[i] = tuple(chain)
    paragraphs = {}
    for first, chain in chains.items():
        text = "".join(pieces[i] for i in chain).replace("\n", "")
        heading = any(article[0] == first and len(article) > 1 for article in articles)
        paragraphs[first] = Paragraph(chain, text, heading, model.label([text])[0])
    home = {i: paragraph for paragraph in paragraphs.values() for i in paragraph.fragments}
    fragments, at = [], 0
    for i, piece in enumerate(pieces):
        label = home[i].label
        begins = 0.9 if i in following.values() or i == 6 else 0.1
        ends = 0.9 if i in following else 0.1
        span = (at, at + len(piece))
        fragments.append(
            Fragment(*span, home[i].heading, begins, ends, label.label, label.probability)
        )
        at += len(piece) + len(blank)
    made = []
    for article in articles:
        own = tuple(paragraphs[i] for i in article if i in paragraphs)
        heading = own[0].text if own[0].heading else None
        topic = own[-1].label
        text = "\n".join(paragraph.text for paragraph in own)
        made.append(
            Article(
                tuple(i for p in own for i in p.fragments),
                heading,
                text,
                topic.label,
                topic.topics,
                own,
            )
        )
    seams = tuple(Join(*join, 0.875, EVIDENCE) for join in joins)
    return Page(blank.join(pieces), tuple(fragments), seams, tuple(made))


class Reader(HTMLParser):
    """What a browser finds: elements with their text; it fails where tags are not closed."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        assert len(element) == len(attrs) + 2  # no attribute is given twice
        self.elements.append(element)
        if tag not in EMPTY:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def having(self, name=None, tag=None):
        return [
            element
            for element in self.elements
            if (name is None or name in element.get("class", "").split())
            and tag in (None, element["tag"])
        ]


def seen(text):
    """Return text without white space, which is layout, and characters that no page can show."""
    kept = (char for char in text if unicodedata.category(char) not in ("Cc", "Cs"))
    return re.sub(r"[\s\u2400-\u2421\ufffd]", "", "".join(kept))


def fragment_texts(page):
    return [seen(page.text[fragment.start : fragment.end]) for fragment in page.fragments]


def assert_whole(html, page):
    """Each fragment is in the page once, in its order, and in the articles once, in theirs."""
    shown = Reader(html)
    texts = fragment_texts(page)
    assert [seen(element["text"]) for element in shown.having("text")] == texts
    order = [i for article in page.articles for i in article.fragments]
    assert sorted(order) == list(range(len(texts)))
    assert [seen(element["text"]) for element in shown.having("piece")] == [texts[i] for i in order]
    return shown


@pytest.fixture(scope="module")
def page(model):
    return made_page(model)


@pytest.fixture(scope="module")
def html(page, model):
    return page_html(page, model, "page.txt")


# what is there


def test_fragments_stand_in_the_page_and_in_the_articles_once(html, page):
    assert_whole(html, page)


def test_each_topic_has_a_colour_its_name_and_how_many_fragments_it_has(html, page):
    shown = Reader(html)
    counts = Counter(fragment.label for fragment in page.fragments)
    legend = [element["text"] for element in shown.having(tag="li")]
    assert legend == [f"{label} {n}" for label, n in counts.most_common()]
    colours = {}
    for fragment, element in zip(page.fragments, shown.having("fragment"), strict=True):
        colours.setdefault(fragment.label, set()).add(element["class"])
        assert fragment.label in element["text"]
        assert f"{fragment.probability:.2f}" in element["text"]
    assert all(len(classes) == 1 for classes in colours.values())
    assert len(set.union(*colours.values())) == len(counts)


def test_headings_are_headings(html):
    shown = Reader(html)
    headings = [element["text"] for element in shown.having(tag="h3")]
    assert headings == [PIECES[0], PIECES[2], PIECES[0], PIECES[2]]


def test_an_article_has_its_topic_its_name_and_the_places_it_comes_from(html, page):
    shown = Reader(html)
    articles = shown.having(tag="article")
    assert [element["aria-label"] for element in articles] == [PIECES[0], PIECES[2], PIECES[6]]
    for article, element in zip(page.articles, articles, strict=True):
        assert element["text"].startswith(article.topic)
    places = [element["text"].split()[1:-1] for element in shown.having("places")]
    assert places == [["1", "2", "5"], ["3", "4", "6"], ["7"]]


def test_joins_are_arrows_and_references_and_seams_that_tell_why(html):
    shown = Reader(html)
    arrows = shown.having("arrow")
    assert [(arrow["data-from"], arrow["data-to"]) for arrow in arrows] == [
        ("p1-f2", "p1-f5"),
        ("p1-f4", "p1-f6"),
    ]
    assert [element["text"] for element in shown.having("onto")] == ["下转 5", "下转 6"]
    assert [element["text"] for element in shown.having("from")] == ["上接 2", "上接 4"]
    assert [element["href"] for element in shown.having("onto")] == ["#p1-f5", "#p1-f6"]
    assert [element["href"] for element in shown.having("from")] == ["#p1-f2", "#p1-f4"]
    told = [arrow["text"] for arrow in arrows] + [seam["title"] for seam in shown.having("seam")]
    assert len(told) == 4
    for why in told:
        assert "0.88" in why
        assert "+2.25" in why
        assert "-0.75" in why


def test_evidence_is_told_in_chinese_and_english():
    shipped = load_model()
    page = read_page(EXAMPLE.read_text(encoding="utf-8"), shipped)
    arrows = Reader(page_html(page, shipped)).having("arrow")
    assert arrows
    for arrow in arrows:
        _, *evidence = arrow["text"].splitlines()
        assert evidence
        for line in evidence:
            assert re.fullmatch(r"[+-]\d+\.\d\d  [一-鿿]+ [a-z ]+", line)


def test_a_broken_end_that_nothing_continues_is_marked(html):
    (missing,) = Reader(html).having("missing")
    assert missing["text"] == "缺上文"  # what comes before is missing
    assert "0.90" in missing["title"]


def test_the_words_that_decided_are_marked_in_both_parts(html, page, model):
    shown = Reader(html)
    marks = Counter((mark["text"], mark["title"]) for mark in shown.having(tag="mark"))
    assert marks
    assert all(n % 2 == 0 for n in marks.values())
    for article in page.articles:
        for paragraph in article.paragraphs:
            label = paragraph.label
            spans = model.explain(paragraph.text, label.label).spans
            top = max(spans, key=lambda span: abs(span.weight))
            told = f"{top.text} {top.weight:+.2f} → {label.label} {label.probability:.2f}"
            assert any(title == told for _, title in marks)


def test_a_word_that_a_seam_cuts_is_marked_on_both_sides(html):
    marks = Reader(html).having(tag="mark")
    cut = [mark["text"] for mark in marks if mark["title"].startswith("暖气片 ")]  # radiator
    assert cut == ["暖", "气片", "暖", "气片"]


def test_words_are_marked_where_they_stand_whatever_the_layout(model):
    pieces = ["白鹭 \n成群 飞过，换热站", "昨日\n注水试压。"]  # egrets fly past; a station is tried
    page = made_page(model, pieces, [(0, 1)], [[0, 1]])
    marks = Reader(page_html(page, model)).having(tag="mark")
    assert "换热站" in [mark["text"] for mark in marks]
    for mark in marks:
        assert mark["title"].startswith(f"{mark['text']} ")


def test_line_breaks_in_a_fragment_are_layout(model):
    text = "换热站\n昨夜 并网。\n\nheat\nnetwork　\r\n供热"
    page = made_page(model, text.split("\n\n"), [], [[0], [1]])
    shown = [element["text"] for element in Reader(page_html(page, model)).having("text")]
    assert shown == ["换热站昨夜 并网。", "heat network供热"]


def test_a_paragraph_without_a_topic_says_so_and_why(model):
    without_other = replace(model, labels=("ecology", "heating", "none"))
    page = made_page(without_other, ["？！……", "湿地。"], [], [[0], [1]])
    assert page.fragments[0].label is None
    shown = Reader(page_html(page, without_other))
    assert "无主题" in shown.having("fragment")[0]["text"]
    assert "no word" in shown.having("verdict")[0]["title"]


def test_pages_stand_below_each_other_by_their_numbers(page, model):
    shown = Reader(page_html({2: page, 5: page}, model, "news.pdf"))
    assert len(shown.having("page", "section")) == 2
    titles = [h2["text"] for h2 in shown.having(tag="h2") if "Page " in h2["text"]]
    assert titles == ["第 2 页 Page 2", "第 5 页 Page 5"]
    assert len(shown.having("text")) == 2 * len(PIECES)
    assert "14 块" in shown.having("summary")[0]["text"]


def test_names_are_given_once_and_links_lead_to_them(page, model):
    shown = Reader(page_html({1: page, 2: page}, model))
    names = [element["id"] for element in shown.elements if "id" in element]
    assert len(names) == len(set(names))
    links = [element["href"] for element in shown.having(tag="a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(names)
    told = {a[key] for a in shown.having("arrow") for key in ("data-from", "data-to")}
    assert told <= set(names)


# what is not there


def test_it_needs_nothing_but_itself(html):
    shown = Reader(html)
    assert {element["tag"] for element in shown.elements}.isdisjoint(
        {"link", "img", "iframe", "object", "base", "form", "use", "image"}
    )
    for element in shown.elements:
        assert not [name for name in element if name.startswith("on") or name == "style"]
        assert "src" not in element
        assert element.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import|@font-face|https?:|[\"'(]//", html)


def test_its_policy_names_its_one_style_and_its_one_script(html):
    (policy,) = [
        element["content"]
        for element in Reader(html).having(tag="meta")
        if element.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    for tag in ("style", "script"):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{digest}'"


HOSTILE = [
    "</title><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>&lt;&amp;\0\x1b\x7f",
    "</p></article>]]><!-- \ud800 --></script>供热",
]


def test_hostile_text_is_shown_as_text(model):
    labels = ("<b>&\"'", "</style><script>", "other")
    odd = replace(model, labels=labels)
    page = made_page(odd, HOSTILE, [(0, 2)], [[0, 1, 2]])
    plain = Reader(page_html(made_page(model, ["供", "热", "站"], [(0, 2)], [[0, 1, 2]]), model))
    html = page_html(page, odd, HOSTILE[0])
    shown = assert_whole(html, page)
    tags = {"mark", "span"}  # of these there are as many as there are words that decided
    assert {e["tag"] for e in shown.elements} - tags == {e["tag"] for e in plain.elements} - tags
    assert len(shown.having(tag="script")) == 1
    assert "\0" not in html
    assert html.encode("utf-8")
    names = {element["text"] for element in shown.having(tag="b")}
    assert names & set(labels)


ANY_TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("供热湿地，。“”（上接\n\n\n \u3000<&'\"\0\ud83d\r"))
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(ANY_TEXT)
def test_any_text_is_shown_whole(model, text):
    page = read_page(text, model)
    assert_whole(page_html(page, model), page)


@pytest.mark.skipif(DATA is None, reason="LANMU_DATA names no folder of real data")
def test_the_real_page_is_shown_whole():
    (file,) = Path(DATA, "page").glob("*.txt")
    shipped = load_model()
    page = read_page(file.read_text(encoding="utf-8"), shipped)
    shown = assert_whole(page_html(page, shipped, file.name), page)
    assert len(shown.having("text")) == 58
    assert len(shown.having("seam")) == len(shown.having("arrow")) == len(page.joins)


# in a browser


def dom(html, folder):
    """Return the document as it stands in Chromium when its script has run, and what it said."""
    (folder / "page.html").write_text(html, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update"]
    command += [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900"]
    command += ["--virtual-time-budget=5000", "--enable-logging=stderr", "--dump-dom"]
    command += [(folder / "page.html").as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, timeout=120, encoding="utf-8")
    return Reader(done.stdout), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def with_script(html, script):
    """Return the document with another script, which its policy is told of."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = html.replace("script-src ", f"script-src 'sha256-{digest}' ")
    return html.replace("</body>", f"<script>{script}</script></body>")


@needs_chromium
def test_in_a_browser_every_join_is_an_arrow_and_nothing_is_refused(html, page, tmp_path):
    shown, said = dom(html, tmp_path)
    assert said == []
    lines = [element["d"] for element in shown.having("line")]
    assert len(lines) == len(set(lines)) == len(page.joins)
    for line in lines:
        assert re.match(r"M[\d.]+,[\d.]+[LQ]", line)
        assert "NaN" not in line


@needs_chromium
def test_a_fragment_under_the_pointer_lights_up_its_paragraph_everywhere(html, tmp_path):
    script = (
        'document.getElementById("p1-f5").dispatchEvent('
        'new MouseEvent("mouseover", {bubbles: true}))'
    )
    shown, said = dom(with_script(html, script), tmp_path)
    assert said == []
    lit = [element.get("id") or element["data-from"] for element in shown.having("lit")]
    assert lit == ["p1-f2", "p1-f5", "p1-f2", "p1-q2"]  # both pieces, the arrow, the paragraph


@needs_chromium
def test_an_article_that_is_clicked_shows_its_fragments(html, tmp_path):
    script = 'document.getElementById("p1-a2").click()'
    shown, said = dom(with_script(html, script), tmp_path)
    assert said == []
    chosen = [element.get("id") or element["data-from"] for element in shown.having("chosen")]
    assert chosen == ["p1-f3", "p1-f4", "p1-f6", "p1-f4", "p1-a2"]
    assert len(shown.having("choosing")) == 1


@needs_chromium
def test_a_script_that_found_its_way_in_would_not_run(html, tmp_path):
    stray = "<script>document.body.id = 'taken'</script><b onclick='1' style='color:red'></b>"
    shown, said = dom(html.replace("</main>", f"{stray}</main>"), tmp_path)
    assert shown.having(tag="body")[0].get("id") is None
    assert any("Content Security Policy" in line for line in said)
