"""The text of pages: of text files as it is, of PDF files by where their lines stand."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu.documents import Document, UnreadableDocumentError, read_document
from lanmu.text import UndecodableTextError

pypdf = pytest.importorskip("pypdf")

from pypdf.generic import (  # noqa: E402 - after the check that it is there
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

BODY, HEADING = 10, 18  # points
EXAMPLE = Path(__file__).parents[2] / "examples" / "page.txt"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


def font(text):
    """A font without glyphs whose character codes are UTF-16; it tells readers so."""
    codes = "".join(f"<{ord(char):04X}> <{ord(char):04X}>\n" for char in sorted(set(text)))
    to_unicode = DecodedStreamObject()
    to_unicode.set_data(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        + f"{len(set(text))} beginbfchar\n{codes}endbfchar\n".encode()
        + b"endcmap end end"
    )
    system = {"/Registry": "Adobe", "/Ordering": "Identity"}
    info = DictionaryObject({NameObject(k): TextStringObject(v) for k, v in system.items()})
    info[NameObject("/Supplement")] = NumberObject(0)
    descendant = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/CIDFontType2"),
            NameObject("/BaseFont"): NameObject("/Song"),
            NameObject("/CIDSystemInfo"): info,
            NameObject("/DW"): NumberObject(1000),
        }
    )
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type0"),
            NameObject("/BaseFont"): NameObject("/Song"),
            NameObject("/Encoding"): NameObject("/Identity-H"),
            NameObject("/DescendantFonts"): ArrayObject([descendant]),
            NameObject("/ToUnicode"): to_unicode,
        }
    )


def add_page(writer, lines, matrix="1 0 0 1 0 0"):
    """Draw lines, each an (x, y, size, text), on a new page."""
    page = writer.add_blank_page(595, 842)
    drawn = "".join(
        f"BT /F {size} Tf 1 0 0 1 {x} {y} Tm <{text.encode('utf-16-be').hex()}> Tj ET\n"
        for x, y, size, text in lines
    )
    stream = DecodedStreamObject()
    stream.set_data(f"q {matrix} cm\n{drawn}Q".encode())
    fonts = DictionaryObject({NameObject("/F"): font("".join(text for *_, text in lines) or " ")})
    fonts[NameObject("/F")][NameObject("/ToUnicode")] = writer._add_object(
        fonts[NameObject("/F")]["/ToUnicode"]
    )
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    page[NameObject("/Contents")] = writer._add_object(stream)


def pdf(*pages, matrix="1 0 0 1 0 0", **encryption):
    writer = pypdf.PdfWriter()
    for lines in pages:
        add_page(writer, lines, matrix)
    if encryption:
        writer.encrypt(**encryption)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def column(x, top, *paragraphs, size=BODY):
    """Set lines of paragraphs below each other, the first line of each two characters in."""
    lines = []
    for paragraph in paragraphs:
        for n, text in enumerate(paragraph):
            lines.append((x if n else x + 2 * size, top - 1.5 * size * len(lines), size, text))
    return lines


# Heat reached the network last night; the meters were read this morning. || Egrets are back.
HEATING = ("热网昨夜并网，六万户", "暖气今晨开始升温。")
EGRETS = ("白鹭回到了入海口，市民", "在堤上看了一下午。")


def paragraphs(data):
    (page,) = read_document(data).pages
    return page.split("\n\n")


# text


def test_a_text_file_is_one_page_as_it_is():
    text = "第一段，\r\n还是第一段。\n\n第二段。\n"  # first paragraph, still the first, second
    assert read_document(text.encode()) == Document((text,), "utf-8")
    assert read_document(text.encode("gb18030")) == Document((text,), "gb18030")
    assert read_document(text.encode("utf-16"), "utf-16").pages == (text,)


def test_bytes_in_no_encoding_are_refused():
    with pytest.raises(UndecodableTextError):
        read_document(b"\xff\xff")


def test_a_text_that_speaks_of_pdf_is_text():
    text = "一个文件以%PDF-1.7开头。"  # a file begins with %PDF-1.7
    assert read_document(text.encode()).pages == (text,)


# paragraphs of a PDF


def test_lines_that_are_set_in_begin_paragraphs():
    data = pdf(column(50, 700, HEATING, EGRETS))
    assert paragraphs(data) == ["".join(HEATING), "".join(EGRETS)]


def test_lines_below_a_wider_gap_begin_paragraphs():
    top = [(50, 700 - 15 * n, BODY, text) for n, text in enumerate(HEATING)]
    below = [(50, 650 - 15 * n, BODY, text) for n, text in enumerate(EGRETS)]
    assert paragraphs(pdf(top + below)) == ["".join(HEATING), "".join(EGRETS)]


def test_a_heading_of_two_lines_is_one_paragraph():
    heading = [(50, 760, HEADING, "东部热网"), (86, 734, HEADING, "昨夜并网")]
    body = column(50, 700, HEATING)
    assert paragraphs(pdf(heading + body)) == ["东部热网昨夜并网", "".join(HEATING)]


def test_a_new_column_begins_a_fragment():
    first = column(50, 700, EGRETS, HEATING)
    second = [(250, 700, BODY, "室温稳定在二十度。"), (250, 685, BODY, "夜里也不降。")]
    assert paragraphs(pdf(first + second)) == [
        "".join(EGRETS),
        "".join(HEATING),
        "室温稳定在二十度。夜里也不降。",
    ]


def test_a_column_that_begins_lower_than_the_one_before_it_ends_is_a_column():
    first = column(50, 700, HEATING)
    second = [(250, 670, BODY, "白鹭回来了，"), (250, 655, BODY, "在浅水里走。")]
    assert paragraphs(pdf(first + second)) == ["".join(HEATING), "白鹭回来了，在浅水里走。"]


def test_a_line_that_is_drawn_last_but_stands_first_is_a_fragment_of_its_own():
    lines = [*column(50, 700, HEATING), (50, 800, BODY, "第三版")]  # page three
    assert paragraphs(pdf(lines)) == ["".join(HEATING), "第三版"]


def test_type_without_a_size_is_read():
    lines = [(50, 700, 0, HEATING[0]), (50, 680, 0, HEATING[1])]
    assert "".join(paragraphs(pdf(lines))) == "".join(HEATING)


@pytest.mark.parametrize(
    "matrix",
    ["0 1 -1 0 595 0", "0 -1 1 0 0 842", "2 0 0 2 -100 -600", "0.1 0 0 0.1 0 0", "-1 0 0 -1 0 0"],
    ids=["left", "right", "large", "small", "upside down"],
)
def test_a_page_that_is_turned_or_scaled_reads_the_same(matrix):
    lines = [(50, 760, HEADING, "东部热网"), *column(50, 700, HEATING, EGRETS)]
    assert paragraphs(pdf(lines, matrix=matrix)) == paragraphs(pdf(lines))


def test_glyphs_drawn_one_by_one_are_a_line():
    lines = [(50 + BODY * n, 700, BODY, glyph) for n, glyph in enumerate(HEATING[0])]
    assert paragraphs(pdf(lines)) == [HEATING[0]]


def test_blanks_stay_between_words_of_latin_letters_alone():
    lines = [(50, 700, BODY, "全省 GDP growth"), (50, 685, BODY, "rate 8.5 , 升温")]
    assert paragraphs(pdf(lines)) == ["全省GDP growth rate 8.5,升温"]


def test_pages_stay_apart_and_one_without_text_is_empty():
    data = pdf(column(50, 700, HEATING), [], column(50, 700, EGRETS))
    assert read_document(data) == Document(("".join(HEATING), "", "".join(EGRETS)), None)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to print a PDF")
def test_the_example_printed_in_columns_gives_its_paragraphs_back(tmp_path):
    written = EXAMPLE.read_text(encoding="utf-8").strip().split("\n\n")
    html = "".join(
        f"<h2>{text}</h2>" if len(text) < 24 and text[-1] not in "。)" else f"<p>{text}</p>"
        for text in written
    )
    style = "body{columns:3;font:10.5pt/1.6 serif}p{text-indent:2em;margin:0}h2{font-size:15pt}"
    (tmp_path / "page.html").write_text(
        f'<meta charset="utf-8"><style>{style} h2{{margin:.5em 0}}</style>{html}', encoding="utf-8"
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer"]
    command += [f"--print-to-pdf={tmp_path / 'page.pdf'}", (tmp_path / "page.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    read = paragraphs((tmp_path / "page.pdf").read_bytes())
    # a paragraph that a column's end cuts in two is two fragments, as it is on the page
    assert "".join(read) == "".join(written)
    assert len(written) <= len(read) <= len(written) + 2
    assert len(set(written) - set(read)) <= 2


# what can't be read


def refusal(data, encoding=None):
    with pytest.raises(UnreadableDocumentError) as refused:
        read_document(data, encoding)
    return str(refused.value)


def test_a_pdf_without_a_text_layer_is_refused():
    assert "without a text layer" in refusal(pdf([], []))
    assert "OCR" in refusal(pdf([]))


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-256"])
def test_a_pdf_that_asks_for_a_password_is_refused(algorithm):
    if algorithm == "AES-256":
        pytest.importorskip("cryptography", reason="cryptography, which encrypts it, is not here")
    data = pdf(column(50, 700, HEATING), user_password="secret", algorithm=algorithm)
    assert "encrypted" in refusal(data)


def test_a_pdf_that_only_its_owner_may_change_is_read():
    data = pdf(column(50, 700, HEATING), user_password="", owner_password="x", algorithm="RC4-128")
    assert paragraphs(data) == ["".join(HEATING)]


def test_a_cipher_that_pypdf_needs_help_with_is_called_encryption(monkeypatch):
    def fails(*_, **__):
        raise pypdf.errors.DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr("pypdf.PdfReader", fails)
    assert "encrypted" in refusal(pdf([]))


def test_without_pypdf_the_extra_is_named(monkeypatch):
    data = pdf(column(50, 700, HEATING))
    monkeypatch.setitem(sys.modules, "pypdf", None)
    assert "pip install 'lanmu[pdf]'" in refusal(data)
    assert read_document("供热".encode()).pages == ("供热",)  # heat supply


def test_an_encoding_is_not_named_for_a_pdf():
    assert "'gbk'" in refusal(pdf(column(50, 700, HEATING)), "gbk")


WHOLE = pdf(column(50, 700, HEATING, EGRETS))


@pytest.mark.parametrize("length", [5, 60, 200, 400])
def test_a_pdf_that_was_cut_short_is_called_damaged(length):
    assert "damaged" in refusal(WHOLE[:length])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(5, len(WHOLE) - 1), st.binary(max_size=4)), max_size=4),
    st.integers(5, 2 * len(WHOLE)),
)
def test_a_damaged_pdf_is_read_or_refused(damages, length):
    data = bytearray(WHOLE[:length])
    for at, wrong in damages:
        data[at : at + len(wrong)] = wrong
    try:
        document = read_document(bytes(data))
    except UnreadableDocumentError:
        return
    assert any(document.pages)
