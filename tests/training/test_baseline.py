"""A keyword list gives a text the label whose telling words it has most of."""

import pytest

from lanmu_training.baseline import WORDS_PER_LABEL, keyword_labels

# heating: boiler, heat station, radiators; ecology: wetland, waterbirds; welfare: allowance.
# "today" (今天) stands in all of them and tells nothing.
TEXTS = [
    *["今天锅炉点火", "今天锅炉检修", "今天换热站试水", "换热站和锅炉", "暖气和锅炉", "暖气不热"],
    *["今天湿地补水", "湿地和候鸟", "今天候鸟飞来", "湿地的候鸟"],
    *["今天低保提标", "低保和救助", "救助和低保"],
]
LABELS = ["heating"] * 6 + ["ecology"] * 4 + ["welfare"] * 3


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("锅炉坏了", "heating"),  # the boiler is broken
        ("飞来一只候鸟", "ecology"),  # a waterbird comes
        ("申请低保", "welfare"),  # to apply for the allowance
        ("锅炉旁的湿地里有候鸟", "ecology"),  # waterbirds in the wetland beside the boiler: 2 to 1
        ("锅炉锅炉锅炉，湿地里有候鸟", "ecology"),  # a word counts once, however often it stands
        ("湿地旁的换热站", "heating"),  # one of each: the commoner label
        ("今天的足球赛", "heating"),  # today's football match, no keyword: the commonest label
        ("", "heating"),
    ],
)
def test_a_text_gets_the_label_whose_keywords_it_has_most_of(text, label):
    assert keyword_labels(TEXTS, LABELS, [text]) == [label]


def test_answers_stand_in_the_order_of_the_texts():
    unseen = ["申请低保", "锅炉坏了", "飞来一只候鸟"] * 1000  # more than one block of texts
    assert keyword_labels(TEXTS, LABELS, unseen) == ["welfare", "heating", "ecology"] * 1000
    assert keyword_labels(TEXTS, LABELS, []) == []


def test_a_word_of_one_text_alone_is_no_keyword():
    assert keyword_labels(TEXTS, LABELS, ["飞来"]) == ["heating"]  # to come flying
    texts, labels = [*TEXTS, "飞来白鹭"], [*LABELS, "ecology"]  # and egrets
    assert keyword_labels(texts, labels, ["飞来"]) == ["ecology"]


def test_a_word_that_others_have_more_often_is_no_keyword():
    # "exam" is tied to "b" by chi-square as it is to "a": b's texts lack it
    texts = ["考试", "考试", "考试", "下雨", "下雨", "下雨", "下雨"]
    assert keyword_labels(texts, list("aaabbbb"), ["考试", "下雨"]) == ["a", "b"]


def test_only_the_strongest_words_of_a_label_are_its_keywords():
    # 40 characters that no word joins; the first 30 stand in four texts of "a", the rest in two
    signs = [chr(0x9F00 + i) for i in range(WORDS_PER_LABEL + 10)]
    strong, weak = signs[:WORDS_PER_LABEL], signs[WORDS_PER_LABEL:]
    texts = ["，".join(signs)] * 2 + ["，".join(strong)] * 2 + ["下雨"] * 5  # rain
    found = keyword_labels(texts, ["a"] * 4 + ["b"] * 5, [*strong, *weak])
    assert found == ["a"] * WORDS_PER_LABEL + ["b"] * 10


def test_where_no_word_stands_in_two_texts_all_get_the_commonest_label():
    texts = ["暖气不热", "湿地补水", "候鸟南飞"]  # cold radiators; a wetland; birds fly south
    assert keyword_labels(texts, ["h", "e", "e"], ["暖气", "湿地"]) == ["e", "e"]
