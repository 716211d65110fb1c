"""Near-duplicates are all found, and nothing leaks from one fold into another."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanmu.text import normalise
from lanmu_training import Example, LabeledData
from lanmu_training.leakage import NearDuplicate, copies, folds, grams, groups, near_duplicates

ALPHABET = "供热站ab， \u3000"  # few characters, so that texts share many 5-grams


@st.composite
def texts_and_copies(draw):
    """Texts of few characters, some of them copies of others with changes."""
    texts = draw(st.lists(st.text(ALPHABET, max_size=24), min_size=1, max_size=6))
    for _ in range(draw(st.integers(0, 6))):
        copy = draw(st.sampled_from(texts))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(copy)))
            without = at + draw(st.integers(0, 2))
            copy = copy[:at] + draw(st.text(ALPHABET, max_size=2)) + copy[without:]
        texts.insert(draw(st.integers(0, len(texts))), copy)
    return texts


def pairs_by_counting(texts):
    """Compare each text with each other by Python's sets."""
    squeezed = [normalise(text).replace(" ", "") for text in texts]
    sets = [{t[i : i + 5] for i in range(len(t) - 4)} or {t} for t in squeezed]
    pairs = []
    for i, j in combinations(range(len(texts)), 2):
        if squeezed[i] == squeezed[j]:
            if squeezed.index(squeezed[j]) == i:
                pairs.append(NearDuplicate(i, j, 1.0))
        elif squeezed.index(squeezed[i]) == i and squeezed.index(squeezed[j]) == j:
            similarity = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
            if similarity >= 0.5:
                pairs.append(NearDuplicate(i, j, similarity))
    return pairs


@settings(derandomize=True, deadline=None, max_examples=400)
@given(texts_and_copies())
@example(["供热站abc", "供热站ab"])  # half of the grams: the very border
@example(["供热站abcd", "供热站ab"])  # a third
@example(["", " ", "\u3000，", "，"])
def test_near_duplicates_are_those_that_counting_every_pair_gives(texts):
    assert near_duplicates(texts) == pairs_by_counting(texts)


def test_equal_texts_are_paired_with_the_first_alone():
    same = "换热站昨夜注水打压"  # the heat exchange station was filled and put under pressure
    pairs = near_duplicates([same, "湿地飞来候鸟", same, f" {same}\u200b", same])
    assert pairs == [NearDuplicate(0, i, 1.0) for i in (2, 3, 4)]


def test_a_near_copy_of_a_repeated_text_is_paired_with_the_first():
    same = "换热站昨夜注水打压"
    pairs = near_duplicates([same, same, f"{same}。"])
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2)]


def test_width_case_and_white_space_do_not_hide_a_copy():
    pairs = near_duplicates(["PM2.5 浓度下降", "ｐｍ２．５浓度\n下降"])  # PM2.5 levels fall
    assert pairs == [NearDuplicate(0, 1, 1.0)]


def test_no_text_has_no_near_duplicates():
    assert near_duplicates([]) == []


def test_two_hundred_planted_copies_are_found_among_five_thousand_texts():
    rng = random.Random(0)
    han = [chr(code) for code in range(0x4E00, 0x5E00)]
    texts = ["".join(rng.choices(han, k=40)) for _ in range(4800)]
    originals = rng.sample(range(len(texts)), 200)
    planted = []
    for k, original in enumerate(originals):
        copy = texts[original]
        if k % 2:  # one character in the middle: 31 of 41 grams are shared
            planted.append((original, 4800 + k, 31 / 41))
            copy = copy[:20] + "好" + copy[21:]  # beyond the range drawn from
        else:
            planted.append((original, 4800 + k, 1.0))
        texts.append(copy)
    found = [(pair.first, pair.second, pair.similarity) for pair in near_duplicates(texts)]
    assert found == sorted(planted)


def test_copies_across_two_files_are_each_told_once_with_what_they_are_most_like():
    repaired = "供热站昨夜抢修完毕"  # the heat station was mended last night
    train = [repaired, f"{repaired}了吗", "湿地里飞来一群白鹭"]  # was it?; egrets
    test = ["今年新米上市", f"{repaired}了", f" {repaired} 了", "湿地里飞来一群白鹭。"]
    found = [(pair.first, pair.second) for pair in copies(train, test)]
    assert found == [(1, 1), (1, 2), (2, 3)]
    assert copies(train, []) == copies([], test) == []


def test_a_hundred_versions_of_one_text_are_paired_each_with_each():
    versions = [f"换热站昨夜注水打压，今天{chr(0x5000 + i)}" for i in range(100)]  # "and today ?"
    pairs = [(pair.first, pair.second) for pair in near_duplicates(versions)]
    assert pairs == list(combinations(range(100), 2))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(st.text("供热ab\U0002a6a5", max_size=9), max_size=6),  # one beyond 16 bits
    st.integers(1, 6),
)
def test_equal_grams_have_equal_numbers_and_different_ones_different(texts, n):
    numbers, positions = grams(texts, n)
    slices, rows = [], []
    for row, text in enumerate(texts):
        padded = text.ljust(n, "\n")
        cut = [padded[i : i + n] for i in range(len(padded) - n + 1)]
        slices += cut
        rows += [row] * len(cut)
    assert positions.tolist() == rows
    seen = dict(zip(slices, numbers.tolist(), strict=True))
    assert [seen[gram] for gram in slices] == numbers.tolist()
    assert len(set(seen.values())) == len(seen)


CHAIN = [
    ("换热站昨夜注水打压", "a"),  # filled and put under pressure
    ("湿地飞来一群候鸟", "a"),  # birds come to the wetland
    ("湿地飞来一群候鸟。", "b"),
    ("养老院添了护理员", "b"),  # carers for the old people's home
    ("养老院添了护理员！", None),
    ("林场补种油松", None),  # pines for the tree farm
    ("政协委员视察轨道站", "c"),  # members inspect a railway station
    ("政协委员提交提案", "c"),  # members hand in a proposal
]


def labelled(texts_and_articles):
    return LabeledData(tuple(Example(text, "a", article) for text, article in texts_and_articles))


def test_groups_join_articles_and_near_duplicates_along_chains():
    numbers = groups(labelled(CHAIN)).tolist()
    assert len(set(numbers[:5])) == 1
    assert len({numbers[0], numbers[5], numbers[6]}) == 3
    assert numbers[6] == numbers[7]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(texts_and_copies(), st.data())
def test_groups_are_the_connected_parts(texts, data):
    articles = data.draw(
        st.lists(st.sampled_from([None, "a", "b"]), min_size=len(texts), max_size=len(texts))
    )
    linked = {(pair.first, pair.second) for pair in pairs_by_counting(texts)}
    linked |= {
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if articles[i] is not None and articles[i] == articles[j]
    }
    parts = list(range(len(texts)))
    for i, j in linked:
        parts = [parts[i] if part == parts[j] else part for part in parts]
    numbers = groups(labelled(zip(texts, articles, strict=True))).tolist()
    assert [a == b for a, b in combinations(numbers, 2)] == [
        a == b for a, b in combinations(parts, 2)
    ]


@st.composite
def labels_and_groups(draw):
    """Labels that are each in two groups or more; groups hold one label or several."""
    n_labels = draw(st.integers(2, 3))
    pairs = st.tuples(st.integers(0, n_labels - 1), st.integers(0, draw(st.integers(1, 9))))
    drawn = draw(st.lists(pairs, max_size=30))
    for label in range(n_labels):
        if len({group for of, group in drawn if of == label}) < 2:
            drawn += [(label, 0), (label, 1)]
    labels, numbers = zip(*drawn, strict=True)
    if draw(st.booleans()):  # groups of one label each
        numbers = [10 * number + label for label, number in drawn]
    return [f"label {label}" for label in labels], list(numbers)


def assert_honest(parts, labels, numbers):
    tested = np.concatenate([test for _, test in parts])
    assert sorted(tested.tolist()) == list(range(len(labels)))
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(len(labels)))
        assert not {numbers[i] for i in train} & {numbers[i] for i in test}
        assert {labels[i] for i in train} == set(labels)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(labels_and_groups())
@example((list("abbba"), [0, 3, 3, 0, 7]))
def test_folds_part_no_group_and_keep_every_label_in_training(drawn):
    labels, numbers = drawn
    assert_honest(folds(labels, numbers), labels, numbers)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_folds_without_groups_keep_every_label_in_training(labels):
    labels = [label for label in "abc" if label in labels] + labels
    labels = [*labels, "d", "d"]
    assert_honest(folds(labels, None), labels, list(range(len(labels))))


def test_there_are_five_folds_with_even_shares_of_each_label():
    labels = ["a"] * 50 + ["b"] * 25
    parts = folds(labels, None)
    assert len(parts) == 5
    for _, test in parts:
        assert sorted(labels[i] for i in test) == ["a"] * 10 + ["b"] * 5


def test_there_are_fewer_folds_where_a_label_has_fewer_groups():
    labels = ["a"] * 20 + ["b"] * 6
    numbers = [*range(20), 20, 20, 21, 21, 22, 22]
    assert len(folds(labels, numbers)) == 3
    assert len(folds(labels, None, n_folds=4)) == 4


@pytest.mark.parametrize("kind", [np.array, list, tuple])
def test_folds_are_the_same_each_time_and_for_any_kind_of_labels(kind):
    labels = ["水", "火"] * 20  # water, fire
    once, again = folds(labels, None), folds(kind(labels), None)
    for (train, test), (train_again, test_again) in zip(once, again, strict=True):
        assert np.array_equal(train, train_again)
        assert np.array_equal(test, test_again)
