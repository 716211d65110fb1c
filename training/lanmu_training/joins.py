"""Learn how to put a page's broken articles together again, from made pages.

    python -m lanmu_training.joins articles labeled -o model/lanmu/joins.json

The weights of `lanmu.joins` and `lanmu.articles` are learnt from pages that `made_pages` makes: a
third of them of whole articles, which have headings and length, and the others of labelled
paragraphs that were written as one piece, in the genres that newspapers print. A third of the pages
have no broken sentence. What is read off labelled text, such as how often characters stand
together, a page's topics or how paragraphs begin, is for the labelled paragraphs read off a model
and off statistics that were made without them.
"""

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score

from lanmu import TopicModel, load_model
from lanmu.articles import Blocks, find_articles
from lanmu.errors import LanmuError
from lanmu.features import Floats
from lanmu.fragments import (
    Piece,
    Statistics,
    broken_elsewhere,
    end_features,
    first_token,
    last_token,
)
from lanmu.joins import Pairs, Scraps, Values, Weights, find_joins, probability
from lanmu.language import Language
from lanmu.words import HAN_RUN, cutter
from lanmu_training.classifier import TopicClassifier
from lanmu_training.labeled_data import Example, read_labeled
from lanmu_training.made_pages import MadePage, WholeArticle, make_page, make_whole_page

FORMAL = ("news", "notice", "policy", "reply", "report", "statistics")
"""Genres of labelled paragraphs that pages are made of: what a newspaper prints."""

FOLDS = 4
PAGES = 600
_STOPS = "。!?…"
_HEADLINE = 5  # sentences' ends that a headline's end counts for
_NO_LINE_START = ",。、;:!?”)"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A made page, and the model and the statistics of text that know nothing of its articles.

    All its articles are of one fold; `whole` tells whether they are whole articles, and `cut`
    whether the page was cut.
    """

    page: MadePage
    fold: int
    whole: bool
    model: TopicModel
    openings: Statistics
    closings: Statistics
    cut: bool

    def scraps(self, weights: Weights) -> Scraps:
        """Read the page by weights, but with this lesson's statistics."""
        own = replace(weights, openings=self.openings, closings=self.closings)
        return Scraps.of(self.page.fragments, self.model, own)


def read_articles(folder: str | Path) -> list[WholeArticle]:
    """Read whole articles: a JSON object a line, with "id", "title" and "paragraphs".

    Raises
    ------
    LanmuError
        A line is not such an object, or there is none.
    """
    articles = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                articles.append(WholeArticle(row["id"], row["title"], tuple(row["paragraphs"])))
            except (ValueError, KeyError, TypeError) as error:
                raise LanmuError(f"{path}:{number}: is no article: {error!r}") from error
    if not articles:
        raise LanmuError(f"{folder}: has no articles; name a folder with *.jsonl files")
    return articles


def learn_statistics(examples: Sequence[Example]) -> tuple[Statistics, Statistics]:
    """Return the log-odds of how paragraphs begin, and of the characters that a cut leaves last.

    Openings: of beginning a paragraph against beginning what is left of a cut sentence. A word's
    are drawn towards those of its first character, which stand under "^" and that character.
    Closings: of being last before a cut against being a sentence's or a headline's last.
    """
    dice, cut = random.Random(0), cutter()  # noqa: S311 - to learn, not to keep secrets
    begun, rest = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    ended, cuts = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for example in examples:
        text = Piece.of(example.text).text
        if example.genre == "headline" and text[-1] not in _STOPS:
            ended[last_token(text, cut)] += _HEADLINE
        if example.genre in ("headline", "fragment") or len(text) < 20:
            continue
        begun[first_token(text, cut)] += 1
        for sentence in re.split("[。!?;]", text)[:-1]:
            if sentence and HAN_RUN.match(sentence[-1]):
                ended[last_token(sentence, cut)] += 1
        for _ in range(4):
            at = dice.randrange(1, len(text))
            if text[at - 1] not in _STOPS:
                rest[first_token(text[at:], cut)] += 1
                if text[at] not in _NO_LINE_START:
                    cuts[last_token(text[:at], cut)] += 1
    return _log_odds(begun, rest), _log_odds(cuts, ended)


def _log_odds(first: Counter[tuple[str, str]], second: Counter[tuple[str, str]]) -> Statistics:
    """Return the log-odds of the first against the second by token, and by kind under "^".

    A kind's are drawn towards 0, and a token's towards those of its kind.
    """
    scale = second.total() / max(first.total(), 1)
    of_first, of_second = _by_kind(first), _by_kind(second)
    kinds = {
        kind: float(np.log((of_first[kind] * scale + 3) / (of_second[kind] + 3)))
        for kind in of_first | of_second
    }
    found = {"^" + kind: ratio for kind, ratio in kinds.items()}
    for (token, kind), times in (first + second).items():
        if times >= 4:
            share = float(probability(kinds[kind]))
            here, there = first[token, kind] * scale, second[token, kind]
            found[token] = float(np.log((here + 6 * share) / (there + 6 * (1 - share))))
    return {name: round(value, 3) for name, value in sorted(found.items())}


def _by_kind(tokens: Counter[tuple[str, str]]) -> Counter[str]:
    kinds = Counter[str]()
    for (_, kind), times in tokens.items():
        kinds[kind] += times
    return kinds


def make_lessons(
    articles: Sequence[WholeArticle], examples: Sequence[Example], n_pages: int = PAGES
) -> list[Lesson]:
    """Make pages to learn from, a third of whole articles and the others of labelled paragraphs.

    To `n_pages` cut ones come half as many without a broken sentence.
    """
    dice = random.Random(5)  # noqa: S311
    n_whole = n_pages // 3 // FOLDS
    articles = dice.sample(articles, len(articles))
    shipped, known = load_model(), learn_statistics(examples)
    names = sorted({e.article or e.source for e in examples})
    dice.shuffle(names)
    lessons = []
    for fold in range(FOLDS):
        for cut, page in _pages(articles[fold::FOLDS], (3, 3, 4), n_whole, dice):
            lessons.append(Lesson(page, fold, True, shipped, *known, cut))
        left_out = set(names[fold::FOLDS])
        inside = [e for e in examples if (e.article or e.source) not in left_out]
        outside = [e for e in examples if (e.article or e.source) in left_out]
        classifier = TopicClassifier(min_df=2)
        model = classifier.fit([e.text for e in inside], [e.label for e in inside]).to_model()
        statistics, pieces = learn_statistics(inside), _written_as_one(outside, dice)
        for cut, page in _pages(pieces, (6, 7, 8, 9), 2 * n_whole, dice):
            lessons.append(Lesson(page, fold, False, model, *statistics, cut))
    return lessons


def _pages(
    articles: Sequence[WholeArticle], sizes: Sequence[int], n_cut: int, dice: random.Random
) -> Iterator[tuple[bool, MadePage]]:
    """Make `n_cut` cut pages and half as many without a broken sentence; tell which are cut."""
    for make, n_pages in ((make_page, n_cut), (make_whole_page, n_cut // 2)):
        for _ in range(n_pages):
            size = min(len(articles), dice.choice(sizes))
            yield make is make_page, make(dice.sample(articles, size), dice)


def _written_as_one(examples: Sequence[Example], dice: random.Random) -> list[WholeArticle]:
    """Return the pieces of formal genres, each under a headline that was written for another."""
    headlines = [e.text for e in examples if e.genre == "headline" and len(e.text) < 40]
    pieces = defaultdict(list)
    for example in examples:
        if example.article and example.genre in FORMAL:
            pieces[example.article].append(example.text)
    return [
        WholeArticle(name, dice.choice(headlines), tuple(texts))
        for name, texts in pieces.items()
        if len(texts) > 1
    ]


def learn(lessons: Sequence[Lesson]) -> Weights:
    """Learn what features weigh; the statistics are left empty."""
    weights = Weights({}, {}, _learn_ends(lessons), {"bias": 0.0}, {}, {}, {})
    scraps = [lesson.scraps(weights) for lesson in lessons]
    weights = replace(weights, beginnings=_learn_beginnings(lessons, scraps))
    scraps = [lesson.scraps(weights) for lesson in lessons]
    weights = replace(weights, joins=_learn_joins(lessons, scraps, weights))
    return replace(weights, articles=_learn_articles(lessons, scraps, weights))


def _learn_ends(lessons: Sequence[Lesson]) -> Statistics:
    features, broken = [], []
    for lesson in lessons:
        cut = cutter(lesson.model.user_words)
        pieces = [Piece.of(text) for text in lesson.page.fragments]
        for i, each in enumerate(zip(pieces, broken_elsewhere(pieces), strict=True)):
            features.append(end_features(*each, lesson.closings, cut))
            broken.append(i in lesson.page.ends)
    return logistic(features, broken)


def _learn_beginnings(lessons: Sequence[Lesson], scraps: Sequence[Scraps]) -> Statistics:
    features, broken = [], []
    for lesson, each in zip(lessons, scraps, strict=True):
        features += each.features_of_beginnings(lesson.openings, cutter(lesson.model.user_words))
        broken += [i in lesson.page.begins for i in range(len(each.pieces))]
    return logistic(features, broken)


def _learn_joins(
    lessons: Sequence[Lesson], scraps: Sequence[Scraps], weights: Weights
) -> Statistics:
    """Learn the weights of joins in rounds, each with contexts by the joins of the last one."""
    read = [(lesson, each, Pairs.of(each)) for lesson, each in zip(lessons, scraps, strict=True)]
    read = [(lesson, each, pairs) for lesson, each, pairs in read if pairs.possible.any()]
    alone = [pairs.at_the_cut(Language.of(lesson.model)) for lesson, _, pairs in read]
    links: list[list[tuple[int, int]]] = [[] for _ in read]
    for _ in range(3):
        choices = [
            choice
            for (lesson, _, pairs), at_cut, linked in zip(read, alone, links, strict=True)
            for choice in _choices(pairs, at_cut | pairs.in_context(linked), lesson.page.joins)
        ]
        weights = replace(weights, joins=conditional_logit(choices))
        links = [_links(each, lesson.model, weights) for lesson, each, _ in read]
    return weights.joins


def _links(scraps: Scraps, model: TopicModel, weights: Weights) -> list[tuple[int, int]]:
    return [(join.first, join.second) for join in find_joins(scraps, model, weights)]


Choice = tuple[dict[str, Floats], int | None]
"""The features of each way that an end could go on, and the one that it does, if any."""


def _choices(pairs: Pairs, evidence: Values, joins: Iterable[tuple[int, int]]) -> list[Choice]:
    goes_on, choices = dict(joins), []
    for row, end in enumerate(pairs.ends.tolist()):
        columns = np.flatnonzero(pairs.possible[row])
        ways = pairs.beginnings[columns].tolist()
        second = goes_on.get(end)
        if second is None or second in ways:
            taken = None if second is None else ways.index(second)
            choices.append(({name: v[row, columns] for name, v in evidence.items()}, taken))
    return choices


def _learn_articles(
    lessons: Sequence[Lesson], scraps: Sequence[Scraps], weights: Weights
) -> Statistics:
    """Learn from all pairs of blocks on the way to the true articles, by merges in random order."""
    dice = random.Random(0)  # noqa: S311
    features: list[Statistics] = []
    same: list[bool] = []
    for lesson, each in zip(lessons, scraps, strict=True):
        if not (lesson.whole and lesson.cut):
            continue
        blocks = Blocks.of(each, _links(each, lesson.model, weights))
        while True:
            of = [_article_of(lesson.page, chains) for chains in blocks.chains]
            pairs = [(a, b) for a in range(len(of)) for b in range(a)]
            values = blocks.evidence()
            features += [{name: float(v[pair]) for name, v in values.items()} for pair in pairs]
            same += [of[a] == of[b] for a, b in pairs]
            left = [(a, b) for a, b in pairs if of[a] == of[b]]
            if not left:
                break
            blocks = blocks.merged(*dice.choice(left))
    return logistic(features, same)


def _article_of(page: MadePage, chains: Iterable[Iterable[int]]) -> str:
    return Counter(page.articles[i] for chain in chains for i in chain).most_common(1)[0][0]


def logistic(features: Sequence[Statistics], outcomes: Sequence[bool]) -> Statistics:
    """Return the weights of a logistic regression on features that were scaled to one spread.

    >>> weights = logistic([{"wet": 1.0}, {"wet": 0.9}, {}], [True, True, False])
    >>> weights["wet"] > 0 > weights["bias"]
    True
    """
    names = sorted(set().union(*features))
    rows = np.array([[told.get(name, 0.0) for name in names] for told in features])
    spread = _spread(rows)
    fitted = LogisticRegression(max_iter=2000).fit(rows / spread, outcomes)
    return _named(names, [*(fitted.coef_[0] / spread), fitted.intercept_[0]])


def _spread(rows: Floats) -> Floats:
    spread: Floats = rows.std(axis=0)
    return np.where(spread > 1e-6, spread, 1.0)


def _named(names: Sequence[str], weights: Sequence[float]) -> Statistics:
    return {name: round(float(w), 4) for name, w in zip((*names, "bias"), weights, strict=True)}


def conditional_logit(choices: Sequence[Choice], penalty: float = 1e-3) -> Statistics:
    """Return the weights that make what was taken likeliest (McFadden 1974), with a small penalty.

    The probability of a way is exp(score) / (1 + the sum of exp(score) over all ways), where the
    score is linear in the features; the 1 is for no way at all.
    """
    names = sorted(choices[0][0])
    rows = np.concatenate([np.stack([told[name] for name in names], axis=1) for told, _ in choices])
    spread = _spread(rows)
    rows /= spread
    sizes = [len(told[names[0]]) for told, _ in choices]
    starts = np.cumsum([0, *sizes[:-1]])
    group = np.repeat(np.arange(len(choices)), sizes)
    taken = [
        start + way for start, (_, way) in zip(starts, choices, strict=True) if way is not None
    ]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scores = rows @ parameters[:-1] + parameters[-1]
        highest = np.maximum(np.maximum.reduceat(scores, starts), 0.0)
        ways = np.exp(scores - highest[group])
        total = np.add.reduceat(ways, starts) + np.exp(-highest)
        likelihood = scores[taken].sum() - (np.log(total) + highest).sum()
        share = ways / total[group]
        slope = np.append(rows[taken].sum(axis=0) - share @ rows, len(taken) - share.sum())
        pull = np.append(parameters[:-1], 0.0)
        n = len(choices)
        return penalty * pull @ pull - likelihood / n, 2 * penalty * pull - slope / n

    found = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    return _named(names, [*(found[:-1] / spread), found[-1]])


def judge(lessons: Sequence[Lesson], weights: Weights) -> dict[str, float]:
    """Return precision, recall and F1 of joins, and the mean adjusted Rand index of articles."""
    right = made = true = 0
    rand = []
    for lesson in lessons:
        scraps = lesson.scraps(weights)
        links = _links(scraps, lesson.model, weights)
        right += len(set(links) & set(lesson.page.joins))
        made += len(links)
        true += len(lesson.page.joins)
        found = find_articles(scraps, links, weights)
        number = {i: k for k, article in enumerate(found) for i in article}
        rand.append(adjusted_rand_score(lesson.page.articles, [number[i] for i in sorted(number)]))
    return {
        "precision": round(right / max(made, 1), 4),
        "recall": round(right / max(true, 1), 4),
        "f1": round(2 * right / max(made + true, 1), 4),
        "adjusted_rand_index": round(float(np.mean(rand)), 4),
    }


def cross_validated(lessons: Sequence[Lesson]) -> dict[str, dict[str, float]]:
    """Return the mean figures of each fold's cut pages, and the joins on its uncut ones.

    Each fold is judged by weights learnt from the others.
    """
    figures: dict[str, list[dict[str, float]]] = {"whole": [], "labelled": []}
    uncut = Counter(pages=0, with_a_false_join=0, false_joins=0)
    for fold in sorted({lesson.fold for lesson in lessons}):
        weights = learn([lesson for lesson in lessons if lesson.fold != fold])
        own = [lesson for lesson in lessons if lesson.fold == fold]
        for name, found in figures.items():
            kind = name == "whole"
            found.append(judge([t for t in own if t.cut and t.whole is kind], weights))
        for lesson in own:
            if not lesson.cut:
                n_false = len(_links(lesson.scraps(weights), lesson.model, weights))
                uncut.update(pages=1, with_a_false_join=n_false > 0, false_joins=n_false)
    means = {
        name: {key: round(float(np.mean([row[key] for row in found])), 4) for key in found[0]}
        for name, found in figures.items()
    }
    return means | {"uncut": dict(uncut)}


def main() -> None:
    """Learn from the two folders and write the weights with what is known of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("articles", help="folder of whole articles")
    parser.add_argument("labeled", help="folder of labelled paragraphs")
    parser.add_argument("-o", "--output", required=True, help="where the weights go")
    options = parser.parse_args()
    articles, labeled = read_articles(options.articles), read_labeled(options.labeled)
    lessons = make_lessons(articles, labeled.examples)
    openings, closings = learn_statistics(labeled.examples)
    about = {
        "made_by": "python -m lanmu_training.joins",
        "whole_articles": len(articles),
        "labeled_sha256": labeled.digest(),
        "pages": len(lessons),
        "joins": sum(len(lesson.page.joins) for lesson in lessons),
        "cross_validated": cross_validated(lessons),
    }
    weights = replace(learn(lessons), openings=openings, closings=closings, about=about)
    written = json.dumps(asdict(weights), ensure_ascii=False, indent=1)
    Path(options.output).write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
