"""The report's page needs nothing but itself, and shows what it is given as text, never as HTML."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

mpl = pytest.importorskip("matplotlib")

from matplotlib import font_manager  # noqa: E402 - after the check that it is there

from lanmu_training.evaluate import NO_LABEL, Bin, score  # noqa: E402
from lanmu_training.report import FullReport, Mistake, Point  # noqa: E402
from lanmu_training.report_page import page  # noqa: E402

TRUTH = ["ecology", "ecology", "heating", "heating", "heating", "other"]
ANSWERS = ["ecology", "heating", "heating", "heating", NO_LABEL, "other"]
WORDS = (("候鸟", 1.25), ("湿地", 0.5), ("的", -0.1))  # waterbirds, wetland, of


def made_report(names=None, **changes):
    """A report on six paragraphs, its labels renamed."""
    names = names or {}
    truth, answers = ([names.get(label, label) for label in labels] for labels in (TRUTH, ANSWERS))
    mistake = Mistake("f:2", "湿地结冰，候鸟南飞。", truth[1], answers[1], 0.875, WORDS)
    report = FullReport(
        how="Six paragraphs, held out.",
        scores=score(truth, answers, np.arange(6)),
        keywords=0.4321,
        random_split=None,
        reliability=(Bin(0.5, 0.6, 2, 0.55, 0.5), Bin(0.9, 1.0, 4, 0.95, 0.75)),
        calibration_error=0.15,
        coverage=tuple(Point(p / 100, 1 - p / 200, 0.5 + p / 200) for p in range(5, 100)),
        learning_curve=((0.5, 0.5), (1.0, 0.6)),
        mistakes=(mistake,),
    )
    return replace(report, **changes)


class Reader(HTMLParser):
    """What a browser sees: tags, attributes, and text; it fails where tags are not closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = set(), [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    @property
    def pictures(self):
        head = "data:image/svg+xml;base64,"
        sources = [value for name, value in self.attributes if name == "src"]
        assert all(source.startswith(head) for source in sources)
        return [base64.b64decode(source.removeprefix(head)).decode() for source in sources]


@pytest.fixture(scope="module")
def shown():
    return Reader(page(made_report()))


# the page and nothing but the page


def test_the_page_asks_for_no_other_file(shown):
    html = page(made_report())
    assert not re.search(r"https?://|//\w|@import|url\(", html)
    assert {name for name, _ in shown.attributes} <= {"lang", "charset", "name", "content", "class",
                                                      "alt", "src"}  # fmt: skip
    assert not shown.tags & {"link", "script", "iframe", "object"}


def test_the_pictures_ask_for_no_other_file_and_no_font(shown):
    assert len(shown.pictures) == 4
    for picture in shown.pictures:
        assert picture.count("<svg") == 1
        assert re.findall(r'href="(?!#|data:)', picture) == []
        assert re.findall(r"url\((?!#)", picture) == []
        for tag in ("<text", "<script", "@font-face"):
            assert tag not in picture


def test_every_picture_can_be_read_aloud(shown):
    told = [value for name, value in shown.attributes if name == "alt"]
    assert len(told) == 4
    assert all(told)


def test_the_same_report_gives_the_same_page():
    assert page(made_report()) == page(made_report())


# what it says


def test_the_figures_are_shown(shown):
    scores = made_report().scores
    low, high = scores.macro_f1_interval
    assert f"{scores.macro_f1:.3f} ({low:.3f} to {high:.3f})" in shown.text
    assert "Of 100 labels, 67 are right" in shown.text
    assert "the weakest label is ecology with 0.667" in shown.text
    assert "0.432" in shown.text  # keywords
    assert "0.222" in shown.text  # always heating: F1 of 2/3, over three labels
    assert "the mean gap is 0.150" in shown.text
    assert "Six paragraphs, held out." in shown.text


def test_a_mistake_is_shown_with_its_words(shown):
    for part in ("湿地结冰，候鸟南飞。", "f:2", "0.88", "候鸟 +1.2", "湿地 +0.5"):
        assert part in shown.text


def test_what_a_random_split_would_have_promised_is_shown_where_it_was_measured():
    better = made_report().scores.macro_f1 + 0.05
    told = Reader(page(made_report(random_split=better))).text
    assert f"shown {better:.3f}" in told
    assert "+5.0 points" in told
    assert "random split" not in Reader(page(made_report())).text


def test_the_page_of_a_finished_model_leaves_out_what_was_not_measured():
    shown = Reader(page(made_report(keywords=None, random_split=None, learning_curve=())))
    assert len(shown.pictures) == 3
    assert "keyword" not in shown.text
    assert "random split" not in shown.text
    assert "None" not in shown.text


def test_without_a_mistake_the_page_says_so():
    assert "There was no mistake." in Reader(page(made_report(mistakes=()))).text


def test_the_probability_that_is_right_95_times_of_100_is_named_where_there_is_one():
    points = (Point(0.5, 0.9, 0.8), Point(0.7, 0.6, 0.96), Point(0.8, 0.4, 0.99))
    told = Reader(page(made_report(coverage=points))).text
    assert "Topics of probability 0.70 and more are right 96 times of 100" in told
    assert "reach 60 %" in told
    never = Reader(page(made_report(coverage=points[:1]))).text
    assert "No probability gives topics that are right 95 times of 100" in never


def test_a_page_can_be_drawn_where_nothing_was_covered():
    assert len(Reader(page(made_report(coverage=()))).pictures) == 4


# what it is given

HOSTILE = (
    "<b>",
    "<script>alert(1)</script>",
    "</style><h1>",
    "\"'><img src=x onerror=alert(1)>",
    "&lt;",
    "<!--",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_mistakes_and_sources_are_text_and_never_html(text, shown):
    mistake = Mistake(f"{text}:1", f"停暖{text}抢修", text, f"not {text}", 0.9, ((text, 1.0),))
    report = made_report({"heating": text}, mistakes=(mistake,), how=f"How: {text}.")
    plain, shown = shown, Reader(page(report))
    assert shown.tags <= plain.tags
    assert {name for name, _ in shown.attributes} <= {name for name, _ in plain.attributes}
    assert text in [cell.strip() for cell in shown.texts]  # a cell of the table
    for part in (f"{text}:1", f"停暖{text}抢修", f"but {text}", f"not {text}", f"{text} +1.0",
                 f"How: {text}."):  # fmt: skip
        assert part in shown.text
    assert len(shown.pictures) == 4


@pytest.mark.parametrize("label", ["$\\foo$", "$\\frac{}$", "$", "_{", "50%", "\\"])
def test_a_label_that_would_be_a_formula_is_drawn_as_it_is(label):
    shown = Reader(page(made_report({"heating": label})))
    assert label in shown.text
    assert len(shown.pictures) == 4


# Chinese labels

CHINESE = {"ecology": "生态环境", "heating": "供热", "other": "other"}  # environment, heat supply


@pytest.fixture
def without_chinese_font(monkeypatch):
    fonts = [font for font in font_manager.fontManager.ttflist if font.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)


@pytest.fixture
def with_chinese_font(without_chinese_font, monkeypatch):
    """Give an ordinary font the name of a Chinese one: its glyphs are boxes."""
    fonts = list(font_manager.fontManager.ttflist)
    ordinary = next(font for font in fonts if font.name == "DejaVu Sans")
    named = font_manager.FontEntry(fname=ordinary.fname, name="Noto Sans CJK SC")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*fonts, named])
    with mpl.rc_context():
        yield


@pytest.mark.usefixtures("without_chinese_font")
def test_without_a_chinese_font_pictures_have_numbers_and_the_caption_says_of_what():
    shown = Reader(page(made_report(CHINESE)))  # a box for a character would be a warning
    assert "label 1: 供热" in shown.text or "label 2: 供热" in shown.text
    assert ": 生态环境" in shown.text
    assert ": other" not in shown.text  # it can be drawn
    assert "生态环境" in shown.texts  # a cell of the table
    assert len(shown.pictures) == 4


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.usefixtures("with_chinese_font")
def test_with_a_chinese_font_pictures_have_the_labels_themselves():
    shown = Reader(page(made_report(CHINESE)))
    assert not re.search(r"label \d", shown.text)
    assert "供热" in shown.texts


@pytest.mark.usefixtures("with_chinese_font")
def test_drawing_changes_none_of_matplotlib_s_settings():
    before = dict(mpl.rcParams)
    page(made_report())
    assert dict(mpl.rcParams) == before
