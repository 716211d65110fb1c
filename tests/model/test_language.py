"""What runs on into what, by the texts that a model was trained on."""

import numpy as np

from lanmu import load_model
from lanmu.language import Language

LANGUAGE = Language.of(load_model())


def test_characters_that_often_stand_together_go_together():
    often, seldom = LANGUAGE.character_pairs(["供"], ["热", "委"])[0]
    assert often > 1 > seldom


def test_what_is_no_letter_or_digit_tells_nothing():
    assert (LANGUAGE.character_pairs(["，", "供"], ["。", "“"]) == 0).all()


def test_all_digits_are_one():
    pairs = LANGUAGE.character_pairs(["1", "7"], ["0", "9"])
    assert np.ptp(pairs) == 0


def test_a_dictionary_word_across_the_cut_is_found():
    found = LANGUAGE.words_across(["商业综", "湿地公园", ""], ["合体", "候鸟", ""])
    assert found.shape == (3, 3)
    assert found[0, 0] > 5  # 综合体, a complex
    assert (found[2] == 0).all()
    assert (found[:, 2] == 0).all()
    assert found[0, 0] == found.max()


def test_no_text_has_no_pairs():
    assert LANGUAGE.words_across([], []).shape == (0, 0)
    assert LANGUAGE.character_pairs([], ["热"]).shape == (0, 1)
