"""Features have the values that scikit-learn gives them, whatever else is in the block."""

import json
import random
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from lanmu.features import (
    Block,
    Rows,
    Vocabulary,
    blocks,
    count,
    count_one,
    counted,
    learn,
    ngrams,
    scores,
    smoothed_idf,
    tfidf,
)
from lanmu.text import normalise
from lanmu.words import cutter

TESTS = Path(__file__).parents[1]
LABELED = TESTS.parent / "labeled"
SAME_FEATURES = json.loads((TESTS / "cases" / "text.json").read_bytes())["same_features"]
TEXTS = [  # of heating, wetlands, air quality, nothing, and a phone with letters and emoji
    "今年供热季提前三天点火，供热管网已完成注水打压，供热！",
    "湿地里飞来一群候鸟；候鸟在湿地觅食，湿地湿地湿地。",
    "ＰＭ２．５浓度下降，PM2.5年均值32微克",
    "",
    "，。！　\n",
    "新款iPhone手机😀，iphone 15 Pro，𠮷野家，暖房だんぼう난방 ñandú жара",
    "热",
]
NEW_TEXTS = ["供热管网漏水，热热热", "股票大涨", "", "🙂", "iphone！湿地ＩＰＨＯＮＥ", "𠮷"]
FEW = st.text(st.sampled_from("供热管网湿地a1，\n\u200b𠮷Ａ"), max_size=12)
HAN = "\u4e00-\u9fd5"
LETTER = f"0-9a-z{HAN}À-ÖØ-öø-ɏͰ-ԯ々-〇ぁ-ゖァ-ヺ㐀-䶿\u9fd6-\u9fff가-힣\U00020000-\U000323af"


def features_of(text, max_ngram):
    """List the words and character n-grams of a text, the plain way."""
    text = normalise(text)
    han = [word for run in re.findall(f"[{HAN}]+", text) for word in cutter()(run)]
    others = re.findall(f"[{LETTER}]+", re.sub(f"[{HAN}]", " ", text))
    runs = re.findall(f"[{LETTER}]+", text)
    ngrams = [
        run[at : at + n]
        for run in runs
        for n in range(1, max_ngram + 1)
        for at in range(len(run) - n + 1)
    ]
    return [("word", word) for word in han + others] + [("n-gram", ngram) for ngram in ngrams]


def names_of(vocabulary):
    """Return what each number stands for."""
    keys = vocabulary.ngrams.tolist()
    ngrams = ["".join(chr(key >> bits & 0x1FFFFF) for bits in (42, 21, 0)) for key in keys]
    return [("word", word) for word in vocabulary.words] + [
        ("n-gram", ngram.lstrip("\0")) for ngram in ngrams
    ]


def counted_together(texts, vocabulary):
    block = Block.of(texts)
    return count(block, vocabulary, block.words(cutter()))


def dense(rows, n_features):
    """Return rows as an array of shape (n_rows, n_features)."""
    table = np.zeros((len(rows.starts) - 1, n_features))
    for row, (start, end) in enumerate(zip(rows.starts[:-1], rows.starts[1:], strict=True)):
        table[row, rows.features[start:end]] = rows.values[start:end]
    return table


def weighed(texts, vocabulary, df, n_texts):
    counts = counted_together(texts, vocabulary)
    idf = smoothed_idf(df, n_texts).take(counts.features)
    return dense(tfidf(counts, idf), len(vocabulary))


def as_scikit_learn_weighs_them(texts, new_texts, max_ngram, names):
    vectorizer = TfidfVectorizer(
        analyzer=lambda text: features_of(text, max_ngram),
        sublinear_tf=True,
        norm="l2",
        smooth_idf=True,
    ).fit(texts)
    assert vectorizer.vocabulary_.keys() == set(names)
    columns = [vectorizer.vocabulary_[name] for name in names]
    return [vectorizer.transform(part).toarray()[:, columns] for part in (texts, new_texts)]


@pytest.mark.parametrize("max_ngram", [0, 1, 2, 3])
def test_values_are_those_of_scikit_learn(max_ngram):
    vocabulary, df, counts = learn(TEXTS, cutter(), max_ngram=max_ngram, min_df=1)
    names = names_of(vocabulary)
    known, new = as_scikit_learn_weighs_them(TEXTS, NEW_TEXTS, max_ngram, names)
    idf = smoothed_idf(df, len(TEXTS)).take(counts.features)
    learned = dense(tfidf(counts, idf), len(vocabulary))
    np.testing.assert_allclose(learned, known, rtol=0, atol=1e-9)
    for texts, expected in ((TEXTS, known), (NEW_TEXTS, new)):
        values = weighed(texts, vocabulary, df, len(TEXTS))
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


def test_values_are_those_of_scikit_learn_on_labelled_texts():
    lines = [line for file in LABELED.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    if not lines:
        pytest.skip("labeled/ has no paragraphs yet")
    texts = [json.loads(line)["text"] for line in random.Random(0).sample(lines, 120)]
    texts, new_texts = texts[:80], texts[80:]
    vocabulary, df, _ = learn(texts, cutter(), max_ngram=2, min_df=1)
    known, new = as_scikit_learn_weighs_them(texts, new_texts, 2, names_of(vocabulary))
    for part, expected in ((texts, known), (new_texts, new)):
        values = weighed(part, vocabulary, df, len(texts))
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@given(st.lists(FEW, min_size=1, max_size=6), st.integers(0, 3), st.integers(1, 3))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_the_features_that_enough_texts_have_are_learned(texts, max_ngram, min_df):
    counts = [Counter(features_of(text, max_ngram)) for text in texts]
    texts_with = Counter(name for each in counts for name in each)
    vocabulary, df, rows = learn(texts, cutter(), max_ngram=max_ngram, min_df=min_df)
    names = names_of(vocabulary)
    assert dict(zip(names, df.tolist(), strict=True)) == {
        name: n for name, n in texts_with.items() if n >= min_df
    }
    expected = [[each[name] for name in names] for each in counts]
    np.testing.assert_array_equal(dense(rows, len(names)), np.reshape(expected, (len(texts), -1)))


@given(st.lists(FEW, min_size=1, max_size=6), st.lists(FEW, min_size=1, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_look_up_finds_what_a_dict_finds(texts, new_texts):
    vocabulary, _, _ = learn(texts, cutter(), max_ngram=3, min_df=1)
    assert_found_as_in_a_dict(vocabulary, new_texts)


def test_look_up_finds_what_a_dict_finds_among_many_n_grams():
    pick = random.Random(0)
    characters = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]  # so that n-grams often share
    texts = ["".join(pick.choices(characters, k=200)) for _ in range(200)]
    vocabulary, _, _ = learn(texts[:150], cutter(), max_ngram=3, min_df=1)
    assert len(vocabulary) > 50_000
    assert_found_as_in_a_dict(vocabulary, texts[100:])


def assert_found_as_in_a_dict(vocabulary, texts):
    numbers = {name: number for number, name in enumerate(names_of(vocabulary))}
    rows = counted_together(texts, vocabulary)
    for row, text in enumerate(texts):
        start, end = rows.starts[row : row + 2]
        found = zip(rows.features[start:end].tolist(), rows.values[start:end].tolist(), strict=True)
        names = [name for name in features_of(text, vocabulary.max_ngram) if name in numbers]
        expected = sorted(Counter(map(numbers.__getitem__, names)).items())
        assert list(found) == expected
        alone = count_one(Block.of([text]), vocabulary, cutter())
        assert alone.starts.tolist() == [0, len(expected)]
        assert list(zip(alone.features.tolist(), alone.values.tolist(), strict=True)) == expected


LONGER = ("供热管", "供热管网改造", "供热管网改造工程", "管网改造工程", "a1b2c3", "a1b2")


@given(st.lists(st.sampled_from([*LONGER, "供热", "管网", "改造", "湿地", "a1", "，"]), max_size=9))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_longer_words_that_begin_alike_are_told_apart(parts):
    cut = cutter(LONGER[:4])
    vocabulary, _, _ = learn([*LONGER, "供热管网，改造。"], cut, max_ngram=2, min_df=1)
    block = Block.of(["".join(parts)])
    words = block.words(cut)
    expected = vocabulary.of_texts(words.texts())
    assert vocabulary.of_words(words, ngrams(block, vocabulary)).tolist() == expected.tolist()


def test_texts_are_counted_in_any_number_as_they_are_alone():
    texts = ["热" * 40_000, *TEXTS * 200, "供热" * 150_000, *NEW_TEXTS]
    vocabulary, _, _ = learn(TEXTS, cutter(), max_ngram=2, min_df=1)
    parts = list(counted(iter(texts), vocabulary, cutter()))
    assert [text for part, _ in parts for text in part] == texts
    assert len(parts) == 4
    for part, rows in parts:
        assert len(rows.starts) == len(part) + 1
        for row, text in enumerate(part):
            at = slice(*rows.starts[row : row + 2])
            ((_, alone),) = counted([text], vocabulary, cutter())
            np.testing.assert_array_equal(rows.features[at], alone.features)
            np.testing.assert_array_equal(rows.values[at], alone.values)


@given(FEW)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_the_texts_of_words_are_those_that_have_places(text):
    block = Block.of([text])
    words = block.words(cutter()).texts()
    assert [word for word in block.word_texts(cutter()) if not word.isspace()] == words


def test_long_and_short_texts_of_a_block_are_counted_apart():
    texts = ["热" * 20_000, *["供热"] * 30, "湿" * 2000, "", "供热" * 300]  # heat, supply, wet
    vocabulary, _, _ = learn(texts, cutter(), max_ngram=2, min_df=1)
    assert_found_as_in_a_dict(vocabulary, texts)


@given(st.lists(FEW, min_size=1, max_size=6), st.lists(FEW, min_size=1, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_features_of_another_vocabulary_are_found_by_name(texts, other_texts):
    own, _, _ = learn(texts, cutter(), max_ngram=2, min_df=1)
    other, _, _ = learn(other_texts, cutter(), max_ngram=2, min_df=1)
    number_of = {name: number for number, name in enumerate(names_of(own))}
    assert own.of_features(other).tolist() == [number_of.get(name, -1) for name in names_of(other)]


def test_many_texts_and_many_features_keep_apart():
    words = tuple(f"w{number:06}" for number in range(300_000))
    vocabulary = Vocabulary(words, np.empty(0, np.uint64), max_ngram=0)
    texts = ["w299999 w000000 w299999", *[""] * 20_000, "w000001", "w299999"]
    rows = counted_together(texts, vocabulary)
    assert rows.starts.tolist() == [0, *[2] * 20_001, 3, 4]
    assert rows.features.tolist() == [0, 299_999, 1, 299_999]
    assert rows.values.tolist() == [1, 2, 1, 1]


def test_a_vocabulary_is_in_order_and_counts_its_features():
    vocabulary, df, _ = learn(TEXTS, cutter(), max_ngram=2, min_df=1)
    assert list(vocabulary.words) == sorted(set(vocabulary.words))
    assert (vocabulary.ngrams[1:] > vocabulary.ngrams[:-1]).all()
    assert len(vocabulary) == len(df) == len(vocabulary.words) + len(vocabulary.ngrams)


def test_a_vocabulary_without_n_grams_finds_words_alone():
    vocabulary = Vocabulary(("湿地",), np.empty(0, np.uint64), max_ngram=2)  # wetland
    rows = counted_together(["湿地候鸟", "候鸟"], vocabulary)
    assert (rows.starts.tolist(), rows.features.tolist()) == ([0, 1, 1], [0])


@pytest.mark.parametrize(
    "texts", [[""], ["，。！"], ["", "\n", "　"], ["🙂\u200b", "\ud800", "\0"]]
)
def test_a_text_without_letters_has_an_empty_row(texts):
    vocabulary, df, _ = learn(TEXTS, cutter(), max_ngram=2, min_df=1)
    assert not weighed(texts, vocabulary, df, len(TEXTS)).any()
    among = weighed([TEXTS[0], *texts, TEXTS[1]], vocabulary, df, len(TEXTS))
    assert not among[1:-1].any()
    np.testing.assert_array_equal(among[[0, -1]], weighed(TEXTS[:2], vocabulary, df, len(TEXTS)))


@pytest.mark.parametrize("case", SAME_FEATURES, ids=lambda case: case["comment"][:40])
def test_either_width_of_punctuation_and_letters_gives_the_same_features(case):
    both = [case["one"], case["other"]]
    vocabulary, df, rows = learn(both, cutter(), max_ngram=3, min_df=1)
    assert set(df.tolist()) == {2}
    one, other = dense(rows, len(vocabulary))
    assert one.tolist() == other.tolist()


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("供热湿地")))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_text_in_full_width_has_the_features_of_text_in_half_width(text):
    wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
    vocabulary, _, rows = learn([text, text.translate(wide)], cutter(), max_ngram=3, min_df=1)
    one, other = dense(rows, len(vocabulary))
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize(
    "texts", [["供，热"], ["供 热"], ["供\n热"], ["供😀热"], ["供", "热"]], ids=ascii
)
def test_no_feature_reaches_over_a_gap(texts):
    names = names_of(learn(texts, cutter(), max_ngram=2, min_df=1)[0])
    assert names == [(kind, name) for kind in ("word", "n-gram") for name in sorted("供热")]


@given(st.lists(FEW, min_size=1, max_size=8))
@example(["供热", "", "a", "湿地a湿地"])
@settings(derandomize=True, deadline=None, max_examples=200)
def test_each_character_of_each_word_is_at_its_place(texts):
    block = Block.of(texts)
    words = block.words(cutter())
    joined = " ".join([*texts, ""])
    found = zip(words.texts(), words.starts, words.lengths, strict=True)
    for word, start, length in found:
        assert len(word) == length > 0
        letters = block.codes[start : start + length].tolist()
        assert word == "".join(map(chr, letters))
        places = block.origin[start : start + length]
        assert word == "".join(normalise(joined[place]) for place in places)
    lengths = np.diff(np.flatnonzero(block.codes == ord("\n")), prepend=-1) - 1
    assert lengths.tolist() == [len(normalise(text)) for text in texts]


@given(st.lists(st.integers(0, 50_000) | st.integers(0, 9000), max_size=20))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_blocks_hold_all_texts_in_order_and_stay_small(lengths):
    texts = [chr(0x4E00 + i) * length for i, length in enumerate(lengths)]
    parted = list(blocks(iter(texts)))
    assert [text for block in parted for text in block] == texts
    assert all(block and (len(block) == 1 or sum(map(len, block)) <= 33_000) for block in parted)
    for block, following in pairwise(parted):
        assert sum(map(len, block)) + len(following[0]) > 32_000


def test_scores_are_the_product_of_rows_and_weights():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(9, 40)) * (rng.random((9, 40)) < 0.4)
    table[[0, 4, 8]] = 0
    starts = np.concatenate([[0], np.cumsum((table != 0).sum(axis=1))])
    rows = Rows(starts, np.nonzero(table)[1], table[table != 0])
    weights = rng.normal(size=(40, 3)).astype(np.float32)
    found = scores(rows, weights.take(rows.features, axis=0))
    np.testing.assert_allclose(found, table @ weights, rtol=0, atol=1e-12)


def test_rows_have_length_one():
    vocabulary, df, _ = learn(TEXTS, cutter(), max_ngram=3, min_df=1)
    lengths = np.linalg.norm(weighed(TEXTS, vocabulary, df, len(TEXTS)), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 1, 0, 0, 1, 1], atol=1e-12)
