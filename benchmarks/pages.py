"""Measure how well `read_page` puts cut pages together again.

    python benchmarks/pages.py --data FOLDER [--articles FOLDER]

FOLDER has *.jsonl files of made pages, a line of which is {"text": ..., "articles": [the article of
each fragment], "joins": [[i, j], ...]}, fragments being parted by blank lines; and may have a real
page: one *.txt file, and gold.tsv, a row for each fragment of it with the columns kind (body or
heading), article, topics (those that a reader would accept, parted by commas) and continues_at (the
fragment that it runs on into, or nothing).

Measured are

- on the made pages, the precision, recall and F1 of joins, those of joining each fragment that the
  reader takes to end mid-sentence with the next one on the page, and the adjusted Rand index of
  articles, the mean over pages;
- the same F1 when one kind of evidence is taken from the shipped weights;
- on the real page, the joins that were found, those that were false, the articles that came out
  whole, and the body paragraphs that got an accepted topic;
- on 300 pages of 3 or 4 whole articles, one after another or paragraph by paragraph in turns, the
  joins, each of which is false, and the pages that have one (the shipped weights were learnt from
  articles/; by weights learnt without a page's articles see "uncut" in model/lanmu/joins.json);
- how long a page of 500 fragments takes: the made pages' fragments one after the other, the median
  of five readings after a first one.

All of it goes to benchmarks/results/pages.json.
"""

import argparse
import csv
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.metrics import adjusted_rand_score

from lanmu import Page, load_model, read_page
from lanmu.joins import Scraps, Weights, find_joins
from lanmu_training.joins import read_articles
from lanmu_training.made_pages import WholeArticle, make_whole_page

HERE = Path(__file__).resolve().parent
Links = list[tuple[int, int]]


def scores(found: Sequence[Links], true: Sequence[Links]) -> dict[str, float]:
    """Return precision, recall and F1 over all pages."""
    right = sum(len(set(a) & set(b)) for a, b in zip(found, true, strict=True))
    n_found, n_true = sum(map(len, found)), sum(map(len, true))
    return {
        "precision": right / max(n_found, 1),
        "recall": right / max(n_true, 1),
        "f1": 2 * right / max(n_found + n_true, 1),
    }


def numbers(page: Page) -> list[int]:
    """Return the number of each fragment's article."""
    number = {i: k for k, article in enumerate(page.articles) for i in article.fragments}
    return [number[i] for i in range(len(page.fragments))]


def made_pages(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Measure joins and articles on made pages, and what each kind of evidence adds."""
    model, weights = load_model(), Weights.shipped()
    true = [[(i, j) for i, j in row["joins"]] for row in rows]
    pages = [read_page(row["text"]) for row in rows]
    following = [
        [(i, i + 1) for i, f in enumerate(page.fragments[:-1]) if f.ends_broken >= 0.5]
        for page in pages
    ]
    rand = [
        adjusted_rand_score(row["articles"], numbers(page))
        for row, page in zip(rows, pages, strict=True)
    ]
    read = [Scraps.of(row["text"].split("\n\n"), model, weights) for row in rows]
    without = {}
    for name in sorted(set(weights.joins) - {"bias"}):
        left = {key: weight for key, weight in weights.joins.items() if key != name}
        found = [
            [
                (join.first, join.second)
                for join in find_joins(page, model, replace(weights, joins=left))
            ]
            for page in read
        ]
        without[name] = scores(found, true)["f1"]
    return {
        "pages": len(rows),
        "true joins": sum(map(len, true)),
        "joins": scores([page.joins for page in pages], true),
        "joins, always the next": scores(following, true),
        "joins, never any": scores([[] for _ in pages], true),
        "adjusted Rand index": statistics.mean(rand),
        "F1 without": without,
    }


def real_page(text: str, gold: list[dict[str, str]]) -> dict[str, Any]:
    """Measure one page that was printed."""
    page = read_page(text)
    true = {(i, int(row["continues_at"])) for i, row in enumerate(gold) if row["continues_at"]}
    articles: dict[str, set[int]] = {}
    for i, row in enumerate(gold):
        articles.setdefault(row["article"], set()).add(i)
    found = [set(article.fragments) for article in page.articles]
    body = [(f, row) for f, row in zip(page.fragments, gold, strict=True) if row["kind"] == "body"]
    return {
        "joins": len(true),
        "found": len(true & set(page.joins)),
        "false": len(set(page.joins) - true),
        "articles": len(articles),
        "whole": sum(article in found for article in articles.values()),
        "body paragraphs": len(body),
        "with an accepted topic": sum(f.label in row["topics"].split(",") for f, row in body),
    }


def whole_pages(articles: Sequence[WholeArticle], n_pages: int = 300) -> dict[str, int]:
    """Count the joins on pages without a broken sentence."""
    dice = random.Random(0)
    pages = [
        make_whole_page(dice.sample(articles, dice.choice((3, 3, 4))), dice) for _ in range(n_pages)
    ]
    false = [len(read_page("\n\n".join(page.fragments)).joins) for page in pages]
    return {"pages": n_pages, "with a false join": sum(map(bool, false)), "false": sum(false)}


def seconds(text: str) -> list[float]:
    """Return how long it takes to read a page with a model that has read one, five times."""
    model = load_model()
    read_page(text, model)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        read_page(text, model)
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Measure, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", required=True, metavar="FOLDER", type=Path)
    parser.add_argument("--articles", default=HERE.parent / "articles", metavar="FOLDER", type=Path)
    options = parser.parse_args()
    folder = options.data
    files = sorted(folder.glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    if not rows:
        parser.error(f"{folder} has no made pages in *.jsonl")
    results: dict[str, Any] = {"made pages": made_pages(rows)}
    gold_file = folder / "gold.tsv"
    if gold_file.exists():
        lines = gold_file.read_text("utf-8").splitlines()
        gold = list(csv.DictReader(lines, delimiter="\t"))
        (text,) = (file.read_text("utf-8") for file in folder.glob("*.txt"))
        results["real page"] = real_page(text, gold)
    results["uncut pages"] = whole_pages(read_articles(options.articles))
    fragments = [part for row in rows for part in row["text"].split("\n\n")][:500]
    results["fragments"] = len(fragments)
    results["seconds"] = statistics.median(seconds("\n\n".join(fragments)))
    written = json.dumps(
        json.loads(json.dumps(results), parse_float=lambda number: round(float(number), 4)),
        ensure_ascii=False,
        indent=1,
    )
    print(written)
    (HERE / "results" / "pages.json").write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
