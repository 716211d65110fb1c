"""Chinese text into jieba's dictionary words, by rjieba where it is installed, else by jieba.

Both cut by jieba's own dictionary with its hidden Markov model off: the words it would guess cost
accuracy (THUCNews titles, words only, the same classifier: 84.4 % with it, 85.2 % without), and
without it the two give identical words on what they are shown here: runs of Han characters
parted by blanks and newlines. `RULES` numbers this way of cutting; models record it.
"""

import functools
import importlib.util
import re
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import ModuleType

RULES = 1
FIRST_HAN, LAST_HAN = 0x4E00, 0x9FD5  # the Han characters that jieba's dictionary cuts

HAN_RUN = re.compile(f"[{chr(FIRST_HAN)}-{chr(LAST_HAN)}]+")

Cut = Callable[[str], list[str]]

# Twice the product of the two commonest words' frequencies over the total (883,634 x 796,991 /
# 60,101,967): with it, a user's word outweighs every way to cut it in two or more.
_USER_WORD_FREQUENCY = 24_000


def cutter(user_words: tuple[str, ...] = ()) -> Cut:
    """Return the function that cuts text into words, with a user's own words in its dictionary.

    The function takes Han runs parted by single blanks or newlines, which come back as words of
    their own, so that joining the words gives the text again. It keeps a private dictionary: words
    that a program adds to jieba or rjieba elsewhere change nothing here. It is built at once and
    never changed after, so that threads can share it.

    >>> cutter()("供热管网 改造")
    ['供热', '管网', ' ', '改造']
    >>> cutter(("供热管网",))("供热管网 改造")
    ['供热管网', ' ', '改造']
    """
    return _built_cutter(user_words)


@functools.cache  # which would take `cutter()` and `cutter(())` for two
def _built_cutter(user_words: tuple[str, ...]) -> Cut:
    if importlib.util.find_spec("rjieba"):
        return rjieba_cutter(user_words)
    return jieba_cutter(user_words)


def rjieba_cutter(user_words: tuple[str, ...]) -> Cut:
    """Return a cutter that runs on rjieba, a port of jieba to Rust."""
    tokenizer = _rjieba().Jieba()
    for word in user_words:
        tokenizer.add_word(word, _USER_WORD_FREQUENCY, None)
    return functools.partial(tokenizer.cut, hmm=False)


def _rjieba() -> ModuleType:
    """Return rjieba's compiled module without running its package's `__init__`.

    That builds a dictionary which nobody here would use, and takes a quarter of lanmu's start.
    """
    package = importlib.util.find_spec("rjieba")
    if package is None or package.submodule_search_locations is None:
        raise ModuleNotFoundError("rjieba is not installed: pip install rjieba")
    name = "rjieba.rjieba"
    spec = PathFinder.find_spec(name, package.submodule_search_locations)
    if name in sys.modules or spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def jieba_cutter(user_words: tuple[str, ...]) -> Cut:
    """Return a cutter that runs on jieba itself."""
    with warnings.catch_warnings():  # jieba 0.42.1 has invalid escapes, and imports pkg_resources
        warnings.simplefilter("ignore")
        import jieba  # noqa: PLC0415 - not needed where rjieba is

    tokenizer = jieba.Tokenizer()
    # What its initialize() does, without the marshal file in the shared temp folder.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    for word in user_words:
        tokenizer.total -= tokenizer.FREQ.get(word, 0)  # which add_word forgets, and rjieba does
        tokenizer.add_word(word, _USER_WORD_FREQUENCY)
    return functools.partial(tokenizer.lcut, HMM=False)
