"""A FullReport as one self-contained page, its pictures drawn by matplotlib."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lanmu_training.report import FullReport, Mistake, Point

_CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei",
    "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
_INK, _BLUE, _GREY = "#222222", "#1f5fa8", "#b8bec6"
_STYLE = """
body { font: 16px/1.55 -apple-system, "Segoe UI", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; color: #222; max-width: 60rem; margin: 2.5rem auto;
  padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem } h2 { font-size: 1.25rem; margin-top: 2.4rem }
.lead { font-size: 1.15rem } .quiet { color: #666 }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem 1.1rem .3rem 0; border-bottom: 1px solid #ddd }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
figure { margin: 1.2rem 0 } figcaption { color: #666; font-size: .92rem; max-width: 44rem }
img { max-width: 100% } .two { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem }
.mistake { border-left: 3px solid #c0392b; padding: .1rem 0 .1rem .9rem; margin: 1.1rem 0 }
.word { background: #fdecea; border-radius: 3px; padding: 0 .3rem; margin-right: .3rem;
  white-space: nowrap }
@media (max-width: 44rem) { .two { grid-template-columns: 1fr } }
"""


def page(report: FullReport) -> str:
    """Return the report as HTML that needs no other file."""
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "lanmu", "font.size": 10}):
        labels = [score.label for score in report.scores.labels]
        names = _drawable([*labels, *report.scores.answers])
        sections = [
            f"<h1>Can I rely on it? 能信吗？</h1>{_lead(report)}{_scores_table(report)}",
            f"<h2>Compared with what? 和什么比？</h2>{_comparisons(report)}",
            f"<h2>Where not? 哪里不能信？</h2>{_confusion(report, names)}{_trust(report)}",
            f"<h2>Why? 为什么？</h2>{_mistakes(report.mistakes)}",
        ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>lanmu: report</title>'
        f"<style>{_STYLE}</style></head><body>\n{''.join(sections)}\n</body></html>\n"
    )


def _lead(report: FullReport) -> str:
    scores = report.scores
    low, high = scores.macro_f1_interval
    weakest = min(scores.labels, key=lambda score: score.f1)
    return (
        f'<p class="lead">Of 100 labels, {100 * scores.accuracy:.0f} are right. Macro-F1 is '
        f"<b>{scores.macro_f1:.3f}</b> ({low:.3f} to {high:.3f}); the weakest label is "
        f"<b>{html.escape(weakest.label)}</b> with {weakest.f1:.3f}.</p>"
        f'<p class="quiet">{html.escape(report.how)} The interval is of 95 %, by bootstrap over '
        "articles.</p>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        first, *numbers = cells
        ends = "".join(f'<{tag} class="n">{html.escape(cell)}</{tag}>' for cell in numbers)
        return f"<tr><{tag}>{html.escape(first)}</{tag}>{ends}</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _scores_table(report: FullReport) -> str:
    return _table(
        ["label 标签", "precision 查准", "recall 查全", "F1", "paragraphs 段"],
        [
            [s.label, f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}", str(s.support)]
            for s in report.scores.labels
        ],
    )


def _comparisons(report: FullReport) -> str:
    scores = report.scores
    majority = 2 * scores.majority_accuracy / (1 + scores.majority_accuracy) / len(scores.labels)
    rows = [["this model", f"{scores.macro_f1:.3f}"]]
    if report.keywords is not None:
        rows.append(["a keyword list, 30 words a label by chi-square", f"{report.keywords:.3f}"])
    rows.append(["always the commonest label", f"{majority:.3f}"])
    parts = [_table(["", "macro-F1"], rows)]
    if report.random_split is not None:
        parts.append(
            f"<p>A random split, which lets parts of one article stand on both sides, would have "
            f"shown {report.random_split:.3f}: "
            f"{100 * (report.random_split - scores.macro_f1):+.1f} points that are not there.</p>"
        )
    if report.learning_curve:
        caption = (
            "Macro-F1 by the share of the data that is trained on. Where the line still rises, "
            "more labelled paragraphs will help."
        )
        parts.append(_figure(_draw_curve(report.learning_curve), caption))
    return "".join(parts)


def _confusion(report: FullReport, names: dict[str, str]) -> str:
    caption = (
        "Rows: the true label; columns: the answer; numbers: paragraphs. Shades go by the share of "
        "the row."
    )
    told = [f"{drawn}: {label}" for label, drawn in names.items() if drawn != label]
    if told:
        caption += " " + "; ".join(told)
    return _figure(_draw_confusion(report, names), caption)


def _trust(report: FullReport) -> str:
    bins = _figure(
        _draw_reliability(report),
        f"How often answers of a probability are right. On the line, the probability can be taken "
        f"at its word; the mean gap is {report.calibration_error:.3f}.",
    )
    reached = next((point for point in report.coverage if point.precision >= 0.95), None)
    told = (
        "No probability gives topics that are right 95 times of 100."
        if reached is None
        else f"Topics of probability {reached.probability:.2f} and more are right "
        f"{100 * reached.precision:.0f} times of 100, and reach {100 * reached.coverage:.0f} % of "
        "the paragraphs that have a topic."
    )
    curve = _figure(_draw_coverage(report.coverage), told)
    return f'<div class="two">{bins}{curve}</div>'


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<p>There was no mistake.</p>"
    parts = ["<p>The surest mistakes, and the words that spoke most for the wrong answer.</p>"]
    for mistake in mistakes:
        words = "".join(
            f'<span class="word">{html.escape(word)} {weight:+.1f}</span>'
            for word, weight in mistake.words
        )
        parts.append(
            f'<div class="mistake"><p><b>{html.escape(mistake.predicted)}</b> '
            f"{mistake.probability:.2f}, but {html.escape(mistake.truth)} "
            f'<span class="quiet">{html.escape(mistake.source)}</span></p>'
            f"<p>{html.escape(mistake.text)}</p><p>{words}</p></div>"
        )
    return "".join(parts)


def _figure(figure: Figure, caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    caption = html.escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _drawable(labels: Iterable[str]) -> dict[str, str]:
    """Return what to draw for each label: itself where a font has it, else a number."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    chinese = next((font for font in _CJK_FONTS if font in installed), None)
    if chinese:
        mpl.rcParams["font.sans-serif"] = [chinese, *mpl.rcParams["font.sans-serif"]]
    unique = dict.fromkeys(labels)
    return {
        label: label if chinese or label.isascii() else f"label {number}"
        for number, label in enumerate(unique, 1)
    }


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw_curve(curve: Sequence[tuple[float, float]]) -> Figure:
    figure, axes = _axes(5.2, 2.8)
    axes.plot([100 * share for share, _ in curve], [f1 for _, f1 in curve], "o-", color=_BLUE)
    for share, f1 in curve:
        axes.annotate(
            f"{f1:.3f}", (100 * share, f1), (0, 7), textcoords="offset points", ha="center"
        )
    axes.margins(x=0.1, y=0.35)
    axes.set_xlabel("% of the data")
    axes.set_ylabel("macro-F1")
    return figure


def _draw_confusion(report: FullReport, names: dict[str, str]) -> Figure:
    scores = report.scores
    size = 1.6 + 0.72 * len(scores.answers)
    figure, axes = _axes(size, 0.9 + 0.5 * len(scores.labels))
    axes.spines[:].set_visible(False)
    shares = [[n / max(sum(row), 1) for n in row] for row in scores.confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(scores.confusion):
        for j, n in enumerate(row):
            if n:
                colour = "white" if shares[i][j] > 0.5 else _INK
                axes.text(j, i, str(n), ha="center", va="center", color=colour)
    axes.set_xticks(
        range(len(scores.answers)),
        [names[a] for a in scores.answers],
        rotation=30,
        parse_math=False,
    )
    axes.set_yticks(
        range(len(scores.labels)), [names[s.label] for s in scores.labels], parse_math=False
    )
    axes.tick_params(length=0)
    return figure


def _draw_reliability(report: FullReport) -> Figure:
    figure, axes = _axes(4.2, 3.6)
    axes.plot([0, 1], [0, 1], color=_GREY)
    most = max(bin.answers for bin in report.reliability)
    axes.scatter(
        [bin.probability for bin in report.reliability],
        [bin.right for bin in report.reliability],
        s=[30 + 220 * bin.answers / most for bin in report.reliability],
        color=_BLUE,
        zorder=2,
    )
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("probability of the answer")
    axes.set_ylabel("share right (dot: how many)")
    return figure


def _draw_coverage(points: Sequence[Point]) -> Figure:
    figure, axes = _axes(4.2, 3.6)
    axes.plot(
        [point.coverage for point in points], [point.precision for point in points], color=_BLUE
    )
    for point in points[5::20]:
        axes.plot(point.coverage, point.precision, "o", color=_BLUE)
        axes.annotate(
            f"{point.probability:.2f}", (point.coverage, point.precision), (6, 4),
            textcoords="offset points",
        )  # fmt: skip
    axes.set_xlabel("coverage: paragraphs with a topic that are answered")
    axes.set_ylabel("precision at this probability")
    axes.set_ylim(top=1.01)
    return figure
