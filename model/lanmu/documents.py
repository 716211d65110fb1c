"""Files into the text of their pages: plain text, and the text layer of PDF.

A PDF holds lines, not paragraphs: glyphs and where they stand. `_parted` tells where a paragraph
begins as a reader does: by a first line that is set in, a wider gap, another size of type, or a
new column.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise
from math import hypot
from statistics import median_low
from typing import TYPE_CHECKING, Any

from lanmu.errors import LanmuError
from lanmu.text import decode

if TYPE_CHECKING:
    from pypdf import PageObject

logging.getLogger("pypdf").addHandler(logging.NullHandler())  # its warnings are not for stderr
_PDF_MARK = b"%PDF-"
_BEFORE_MARK = b"\xef\xbb\xbf\0 \t\r\n"  # what careless software leaves there
_WIDE = "\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u2014\u2018-\u201d\u2026\u3000-\u303f"
_GLUED = re.compile(rf"(?<=[{_WIDE}]) (?! )|(?<! ) (?=[{_WIDE}])| +(?=[,.:;!?)])|(?<=\() +")
_BLANKS = re.compile(r"\s+")


class UnreadableDocumentError(LanmuError):
    """The file holds no text that can be reached."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of each page of a file, and the encoding of a text file (None for a PDF).

    A text file is one page. A page of a PDF without a text layer is an empty string.
    """

    pages: tuple[str, ...]
    encoding: str | None


def read_document(data: bytes, encoding: str | None = None) -> Document:
    """Read the bytes of a text file or a PDF, told apart by the mark that begins a PDF.

    Parameters
    ----------
    data
        The whole file.
    encoding
        Of a text file; None for what `lanmu.text.decode` finds.

    Raises
    ------
    UndecodableTextError
        A text file is in no encoding that was tried.
    UnreadableDocumentError
        A PDF is damaged, encrypted or has no text layer, an encoding was named for it, or pypdf,
        which reads it, is not installed.

    Examples
    --------
    >>> read_document("供热".encode("gb18030"))
    Document(pages=('供热',), encoding='gb18030')
    """
    if not data.lstrip(_BEFORE_MARK).startswith(_PDF_MARK):
        decoded = decode(data, encoding)
        return Document((decoded.text,), decoded.encoding)
    if encoding is not None:
        raise UnreadableDocumentError(f"is a PDF, which has no encoding {encoding!r}; name none")
    return Document(_pdf_pages(data), None)


def _pdf_pages(data: bytes) -> tuple[str, ...]:
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnreadableDocumentError(
            "is a PDF, and pypdf, which reads it, is not installed: pip install 'lanmu[pdf]'"
        ) from error
    from pypdf.errors import DependencyError, FileNotDecryptedError  # noqa: PLC0415

    try:
        lines = [list(_lines(page)) for page in PdfReader(BytesIO(data)).pages]
    except (DependencyError, FileNotDecryptedError) as error:
        raise UnreadableDocumentError(
            "is an encrypted PDF; save a copy without a password and read that"
        ) from error
    except Exception as error:  # what a damaged file makes pypdf raise is not to be listed
        raise UnreadableDocumentError(
            f"is a damaged PDF ({type(error).__name__}: {error}); open it in a reader of PDF and "
            "save it anew"
        ) from error
    pages = tuple("\n\n".join(_parted(page)) if page else "" for page in lines)
    if not any(pages):
        raise UnreadableDocumentError(
            "is a PDF without a text layer, as a scan is; recognise its text (OCR) first"
        )
    return pages


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of type: its text, its size, and where it begins along (x) and across it (y, upwards).

    In points, from a corner of the page.
    """

    text: str
    size: float
    x: float
    y: float


def _lines(page: "PageObject") -> Iterator[_Line]:
    """Return the lines of a page in the order in which the file draws them."""
    drawn: list[_Line] = []

    def visit(text: str, cm: Sequence[float], tm: Sequence[float], _: Any, size: float) -> None:
        if text := text.strip("\r\n"):
            drawn.append(_placed(text, size, cm, tm))

    page.extract_text(visitor_text=visit)
    runs: list[list[_Line]] = []
    for run in drawn:
        if runs and abs(run.y - runs[-1][0].y) <= run.size / 2 and run.x >= runs[-1][-1].x:
            runs[-1].append(run)
        else:
            runs.append([run])
    merged = (replace(line[0], text="".join(run.text for run in line)) for line in runs)
    return (line for line in merged if line.text.strip())


def _placed(text: str, size: float, cm: Sequence[float], tm: Sequence[float]) -> _Line:
    """Place a run of glyphs by its text matrix and the matrix of the page, however it is turned."""
    right = tm[0] * cm[0] + tm[1] * cm[2], tm[0] * cm[1] + tm[1] * cm[3]
    up = tm[2] * cm[0] + tm[3] * cm[2], tm[2] * cm[1] + tm[3] * cm[3]
    at = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
    width, height = hypot(*right) or 1.0, hypot(*up) or 1.0
    x = (at[0] * right[0] + at[1] * right[1]) / width
    y = (at[0] * up[0] + at[1] * up[1]) / height
    return _Line(text, abs(size) * height or 1.0, x, y)


def _parted(lines: Sequence[_Line]) -> Iterator[str]:
    """Yield the text of each paragraph."""
    columns = list(_columns(lines))
    body = median_low([line.size for line in lines])
    leadings = [
        (a.y - b.y) / a.size for column in columns for a, b in pairwise(column) if _alike(a, b)
    ]
    leading = median_low(leadings) if leadings else 0.0
    for column in columns:
        edge = min((line.x for line in column if line.size <= 1.1 * body), default=0.0)
        paragraph = [column[0]]
        for line in column[1:]:
            above = paragraph[-1]
            set_in = line.size <= 1.1 * body and line.x > edge + 0.8 * line.size
            apart = above.y - line.y > 1.4 * leading * line.size
            if set_in or apart or not _alike(above, line):
                yield _joined(paragraph)
                paragraph = []
            paragraph.append(line)
        yield _joined(paragraph)


def _columns(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """Part lines where one is no lower than the line before it, or far to one side of it."""
    column = [lines[0]]
    for above, line in pairwise(lines):
        if line.y >= above.y or abs(line.x - above.x) > 4 * max(line.size, above.size):
            yield column
            column = []
        column.append(line)
    yield column


def _alike(one: _Line, other: _Line) -> bool:
    return abs(one.size - other.size) <= 0.1 * max(one.size, other.size)


def _joined(lines: Sequence[_Line]) -> str:
    """Join lines, and take out the blanks that stand for gaps between Chinese glyphs.

    >>> _joined([_Line("过去一年 , 港口 GDP ", 10, 0, 20), _Line("增长 8.5%", 10, 0, 0)])
    '过去一年,港口GDP增长8.5%'
    """
    text = " ".join(line.text.strip() for line in lines)
    return _BLANKS.sub(" ", _GLUED.sub("", text))
