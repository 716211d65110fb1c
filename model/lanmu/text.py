"""Bytes to text, and text to the one normalised form that training and labelling share.

`RULES` numbers the normalisation rules below. A model records the number it was trained with;
any change to what `normalise` returns raises it.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lanmu.errors import LanmuError

RULES = 1

_BOMS = (  # the UTF-32 marks begin with the UTF-16 ones, so they are looked for first
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END = r"(?>\r\n|\r|\n)"
_DROPPED = 0  # what the table below gives for a character that is taken out
_WHITE_SPACE = (*range(0x09, 0x0E), *range(0x1C, 0x20), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
                0x2028, 0x2029, 0x202F, 0x205F, 0x3000)  # fmt: skip
_INVISIBLE = (*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010),
              *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), 0xFEFF,
              *range(0xFFF9, 0xFFFC))  # fmt: skip
_SURROGATES = range(0xD800, 0xE000)
_SAME_HAN = (*range(0x2E80, 0x2FD6), *range(0xF900, 0xFADA))  # radicals, compatibility ideographs


class UndecodableTextError(LanmuError):
    """The bytes are text in no encoding that was tried."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the name of the encoding its bytes were in."""

    text: str
    encoding: str


def decode(data: bytes, encoding: str | None = None) -> Decoded:
    """Decode bytes by their byte order mark, else as UTF-8, else as GB18030.

    Parameters
    ----------
    data
        The whole text.
    encoding
        Decode with this Python codec and try no other.

    Raises
    ------
    UndecodableTextError
        No encoding tried fits all the bytes, or `encoding` is unknown.

    Examples
    --------
    >>> decode("供热".encode("gb18030"))
    Decoded(text='供热', encoding='gb18030')
    """
    if encoding is not None:
        try:
            return Decoded(data.decode(encoding).removeprefix("\ufeff"), encoding)
        except (LookupError, ValueError) as error:
            raise UndecodableTextError(f"cannot be read as {encoding}: {error}") from error
    for mark, name in _BOMS:
        if data.startswith(mark):
            try:
                return Decoded(data[len(mark) :].decode(name), name)
            except UnicodeDecodeError as error:
                raise UndecodableTextError(f"begins as {name}, but {error}") from error
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as utf8_error:
        try:
            return Decoded(data.decode("gb18030").removeprefix("\ufeff"), "gb18030")
        except UnicodeDecodeError:
            raise UndecodableTextError(
                f"neither UTF-8 (byte {utf8_error.start} is 0x{data[utf8_error.start]:02x}) "
                "nor GB18030; name its encoding"
            ) from utf8_error


def _normal_forms() -> NDArray[np.uint32]:
    table = np.arange(0x110000, dtype=np.uint32)
    table[0xFF01:0xFF5F] = table[0x21:0x7F]
    for capital, small in (("A", "a"), ("\uff21", "a")):
        table[ord(capital) : ord(capital) + 26] = table[ord(small) : ord(small) + 26]
    for code in _SAME_HAN:
        same = unicodedata.normalize("NFKC", chr(code))
        if len(same) == 1:
            table[code] = ord(same)
    table[[*_INVISIBLE, *_SURROGATES]] = _DROPPED
    table[list(_WHITE_SPACE)] = ord(" ")
    return table


_NORMAL_FORMS = _normal_forms()


def normalised_codes(text: str) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    r"""Return the code points of the normalised text, and where each stood in `text`.

    Both arrays have shape (n_kept,). Full-width ASCII becomes half-width, ASCII capitals small,
    every white space a blank, Kangxi radicals and compatibility ideographs (which PDF files are
    full of) the ordinary character; invisible and control characters and lone surrogates go.

    >>> normalised_codes("Ａ\u200b供")
    (array([   97, 20379], dtype=uint32), array([0, 2]))
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    codes = _NORMAL_FORMS.take(codes)
    (kept,) = codes.nonzero()  # what is dropped is 0
    return codes.take(kept), kept


def normalise(text: str) -> str:
    r"""Return the normalised text.

    >>> normalise("ＰＭ２．５　浓度\u200b，下降")
    'pm2.5 浓度,下降'
    """
    return normalised_codes(text)[0].tobytes().decode("utf-32-le")


def paragraphs(text: str) -> list[tuple[int, int]]:
    r"""Return the spans (start, end) of the paragraphs of a text, without white space around them.

    Blank lines part paragraphs; single newlines inside are layout. A text with no blank line
    between its lines has one paragraph a line.

    >>> text = "第一段，\n还是第一段。\n\n第二段。\n"
    >>> [text[start:end] for start, end in paragraphs(text)]
    ['第一段，\n还是第一段。', '第二段。']
    >>> paragraphs("标题\n正文")
    [(0, 2), (3, 5)]
    """
    blocks = _stripped_pieces(text, rf"{_LINE_END}(?:[^\S\r\n]*{_LINE_END})+")
    return blocks if len(blocks) > 1 else _stripped_pieces(text, _LINE_END)


def _stripped_pieces(text: str, separator: str) -> list[tuple[int, int]]:
    edges = [0]
    for gap in re.finditer(separator, text):
        edges += gap.span()
    edges.append(len(text))
    spans = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if left < right:
            spans.append((left, right))
    return spans
