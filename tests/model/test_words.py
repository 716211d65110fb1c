"""jieba and rjieba cut the same words, and nothing outside a cutter changes or sees it."""

import functools
import importlib.resources
import importlib.util
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu import load_model, words
from lanmu.features import Block
from lanmu.words import FIRST_HAN, LAST_HAN, cutter, jieba_cutter

TESTS = Path(__file__).parents[1]
LABELED = TESTS.parent / "labeled"
CASES = json.loads((TESTS / "cases" / "words.json").read_bytes())
USER_WORDS = tuple(CASES["user_words"])
TEXTS = ["供热管网改造今天完工，2.6公里", "湿地飞来候鸟", "图书馆", ""]
LABEL = """
import json, sys
from lanmu import load_model
model = load_model(sys.argv[1])
texts = json.loads(sys.argv[2])
model.label(texts), model.explain(texts[0])
print(json.dumps(model.predict_proba(texts).tolist()))
"""
NO_RJIEBA = "import sys; sys.modules['rjieba'] = None\n"
EITHER = pytest.mark.parametrize("start", ["", NO_RJIEBA], ids=["rjieba", "jieba"])
HAN_RUN = st.text(st.characters(min_codepoint=FIRST_HAN, max_codepoint=LAST_HAN), max_size=12)


@functools.cache
def cutters(user_words=()):
    """Return what cuts here: jieba always, rjieba where it is installed."""
    found = importlib.util.find_spec("rjieba")
    return [jieba_cutter(user_words), *([words.rjieba_cutter(user_words)] if found else [])]


def both(user_words=()):
    if len(cutters(user_words)) < 2:
        pytest.skip("rjieba has no wheel for this platform")
    return cutters(user_words)


@functools.cache
def dictionary():
    """Return the words of jieba's dictionary that are Han characters alone, commonest first."""
    lines = (importlib.resources.files("jieba") / "dict.txt").read_text("utf-8").splitlines()
    entries = [line.split(" ") for line in lines]
    entries.sort(key=lambda entry: -int(entry[1]))
    return [
        word for word, *_ in entries if re.fullmatch(f"[{chr(FIRST_HAN)}-{chr(LAST_HAN)}]+", word)
    ]


@st.composite
def joined_words(draw):
    """Draw lines of runs of dictionary words, common ones as often as rare ones."""
    place = st.integers(0, 300) | st.integers(0, len(dictionary()) - 1)
    run = st.lists(place.map(dictionary().__getitem__), max_size=8).map("".join)
    return "\n".join(draw(st.lists(st.lists(run | HAN_RUN, max_size=4).map(" ".join), max_size=4)))


@pytest.mark.parametrize("case", CASES["plain"], ids=lambda case: case["comment"][:40])
def test_runs_are_cut_into_words(case):
    for cut in cutters():
        assert cut(case["text"]) == case["words"]


@pytest.mark.parametrize("case", CASES["with_user_words"], ids=lambda case: case["comment"][:40])
def test_runs_are_cut_into_words_of_the_dictionary_and_the_user(case):
    for cut in cutters(USER_WORDS):
        assert cut(case["text"]) == case["words"]


@pytest.mark.parametrize("user_words", [(), USER_WORDS], ids=["plain", "user_words"])
@given(text=joined_words())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_jieba_and_rjieba_cut_the_same_words(user_words, text):
    by_jieba, by_rjieba = both(user_words)
    assert by_jieba(text) == by_rjieba(text)


@given(text=joined_words())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_the_words_joined_are_the_text(text):
    for cut in cutters(USER_WORDS):
        assert "".join(cut(text)) == text


def test_jieba_and_rjieba_have_one_dictionary():
    by_jieba, by_rjieba = both()
    text = " ".join(dictionary()[::10])
    assert by_jieba(text) == by_rjieba(text)


def test_jieba_and_rjieba_agree_when_a_user_gives_words_that_the_dictionary_has():
    by_jieba, by_rjieba = both(("了", "是", "供热"))  # two of the commonest words, and heating
    text = " ".join(dictionary()[::10])
    assert by_jieba(text) == by_rjieba(text)


@pytest.mark.parametrize("user_words", [(), USER_WORDS], ids=["plain", "user_words"])
def test_jieba_and_rjieba_cut_the_labelled_texts_into_the_same_words(user_words):
    lines = [line for file in LABELED.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    if not lines:
        pytest.skip("labeled/ has no paragraphs yet")
    by_jieba, by_rjieba = both(user_words)
    block = Block.of([json.loads(line)["text"] for line in lines[::2]])
    assert block.words(by_jieba).texts() == block.words(by_rjieba).texts()


def test_a_users_word_is_never_cut():
    pick = random.Random(0)
    pool = dictionary()[:50] + dictionary()[::1000]
    own = tuple(
        dict.fromkeys("".join(pick.choices(pool, k=pick.choice([2, 3]))) for _ in range(300))
    )
    for cut in cutters(own):
        assert [word for word in cut(" ".join(own)) if word != " "] == list(own)


def test_a_cutter_keeps_its_words_to_itself():
    assert cutter(("供热管网",))("供热管网") == ["供热管网"]
    assert cutter()("供热管网") == ["供热", "管网"]


@pytest.mark.usefixtures("without_rjieba")
def test_jieba_cuts_where_rjieba_is_not_installed():
    assert cutter(("供热管网",))("供热管网改造") == ["供热管网", "改造"]


def test_a_model_labels_the_same_by_jieba_and_by_rjieba(model, tmp_path, request):
    both()
    texts = [*TEXTS, "供热管网 Ａ1\n湿地\u200b公园" * 50]
    model.save(tmp_path / "m.lanmu")
    by_rjieba = load_model(tmp_path / "m.lanmu")
    request.getfixturevalue("without_rjieba")
    by_jieba = load_model(tmp_path / "m.lanmu")
    assert by_jieba.predict_proba(texts).tobytes() == by_rjieba.predict_proba(texts).tobytes()
    assert by_jieba.label(texts) == by_rjieba.label(texts)
    assert by_jieba.explain(texts[-1]) == by_rjieba.explain(texts[-1])


CHANGE = """
import warnings
from lanmu import words
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jieba
for word in ("供热管网改造", "地飞来候"):
    jieba.add_word(word, 10**9)
jieba.del_word("图书馆")
assert jieba.lcut("供热管网改造图书馆", HMM=False) == ["供热管网改造", "图书", "馆"]
if words.importlib.util.find_spec("rjieba"):
    import rjieba
    rjieba.add_word("供热管网改造", 10**9, None)
    assert rjieba.cut("供热管网改造", hmm=False) == ["供热管网改造"]
words._built_cutter.cache_clear()
"""


@EITHER
def test_words_that_a_program_adds_to_jieba_change_no_prediction(
    start, model, tmp_path, run_python
):
    model.save(tmp_path / "m.lanmu")
    arguments = (tmp_path / "m.lanmu", json.dumps(TEXTS))
    # with jieba's own temporary file kept out of the folder that all programs share
    done = run_python(start + LABEL + CHANGE + LABEL, *arguments, TMPDIR=str(tmp_path))
    before, after = map(json.loads, done.stdout.splitlines())
    assert before == after == model.predict_proba(TEXTS).tolist()


@EITHER
def test_labelling_leaves_no_file_in_the_temp_folder_and_raises_no_warning(
    start, model, tmp_path, run_python
):
    model.save(tmp_path / "m.lanmu")
    temp = tmp_path / "temp"
    temp.mkdir()
    compile_anew = "import lanmu, sys\nsys.pycache_prefix, sys.dont_write_bytecode = '-', True\n"
    done = run_python(
        start + compile_anew + LABEL + "import tempfile\nprint(json.dumps(tempfile.gettempdir()))",
        tmp_path / "m.lanmu",
        json.dumps(TEXTS),
        options=("-W", "error"),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temp)),
    )
    probabilities, folder = map(json.loads, done.stdout.splitlines())
    assert probabilities == model.predict_proba(TEXTS).tolist()
    assert Path(folder) == temp
    assert list(temp.iterdir()) == []
    assert done.stderr == ""


def test_importing_raises_no_warning(run_python):
    assert run_python("import lanmu", options=("-W", "error")).stderr == ""


def test_labelling_imports_no_training_library(run_python):
    code = """
import sys
from lanmu import load_model
load_model().label(["今晚停暖抢修"])
print(*(name.split(".")[0] for name in sys.modules))
"""
    heavy = {"sklearn", "scipy", "pandas", "matplotlib", "joblib", "lanmu_training"}
    assert heavy.isdisjoint(run_python(code).stdout.split())


@pytest.mark.parametrize("unit", ["供热管网改造", "热", "龘 "])
def test_time_is_linear_in_length(unit, growth):
    for cut in cutters():
        assert growth(cut, unit * (8000 // len(unit)), unit * (32000 // len(unit))) <= 12
