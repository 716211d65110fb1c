"""Made pages hold every character of their articles, and tell the truth about their cuts."""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu_training.made_pages import WholeArticle, make_page, make_whole_page

ARTICLES = [
    WholeArticle("heat", "东部热网并网", (
        "昨夜十一点，东部供热管网最后一道焊口探伤合格，供热集团随即向七十四座换热站注水，工人守到天亮。",
        "供热集团说：“今天起分批升温，没有热起来的楼栋请拨打热线，我们两个小时内上门。”热线设了四十个座席。")),
    WholeArticle("birds", "白鹭提前到达", (
        "湿地公园的护鸟员清晨登记了二十一只白鹭，白鹭在芦苇荡里筑巢，比去年提前了整整半个月，水位也高一些。",
        "护鸟员老周说，浅滩是专门留出来的，游客要站在三十米以外，用公园借给的望远镜看，不许投喂，也不许喊叫。")),
    WholeArticle("bus", None, (
        "公交七路从下周一起延长到新火车站，末班车推迟到夜里十一点，票价不变，早高峰每五分钟发一班车，由新车跑。",)),
]  # fmt: skip


@given(st.integers(0, 10_000))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_joins_put_cut_sentences_together_again(seed):
    page = make_page(ARTICLES, random.Random(seed))
    assert len(page.fragments) == len(page.articles)
    following = dict(page.joins)
    assert len(set(following.values())) == len(following)
    for first, second in page.joins:
        assert page.articles[first] == page.articles[second]
        assert first in page.ends
        assert second in page.begins
        assert not page.fragments[first].endswith("。")
    whole = {a.id: "".join(a.paragraphs) + (a.title or "") for a in ARTICLES}
    for name, text in whole.items():
        own = Counter(
            "".join(f for f, a in zip(page.fragments, page.articles, strict=True) if a == name)
        )
        marks = Counter("（上接下转第版）():，,1234:：“”；;")
        lacking = own - Counter(text)
        assert not lacking.keys() - marks.keys()  # nothing is made up but marks


@given(st.integers(0, 10_000))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_whole_page_has_every_character_in_order_and_nothing_broken(seed):
    page = make_whole_page(ARTICLES, random.Random(seed))
    assert not page.joins
    assert not page.begins
    assert not page.ends
    for article in ARTICLES:
        own = [f for f, a in zip(page.fragments, page.articles, strict=True) if a == article.id]
        text = "".join([article.title or "", *article.paragraphs])
        assert "".join(own) in (text, text.translate(str.maketrans("，：；！？（）", ",:;!?()")))


def test_the_same_dice_make_the_same_page():
    one, other = (make_page(ARTICLES, random.Random(7)) for _ in range(2))
    assert one == other


def test_pages_are_cut_within_words_and_quotations():
    pages = [make_page(ARTICLES, random.Random(seed)) for seed in range(300)]
    ends = {page.fragments[first][-1] for page in pages for first, _ in page.joins}
    assert len(ends) > 30
    assert any(page.begins - {j for _, j in page.joins} for page in pages)  # lost beginnings
    assert any("上接第" in fragment for page in pages for fragment in page.fragments)
