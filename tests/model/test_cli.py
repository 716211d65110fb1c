"""The `lanmu` command: what it prints, what it says of bad input, and its exit codes."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from importlib.metadata import version
from pathlib import Path

import pytest

from lanmu import load_model, read_page
from lanmu.cli import main
from lanmu.documents import Document

HEATING = (
    "换热站昨日试水，暖气热了。"  # the heat exchange station was tried, the radiators are warm
)
ECOLOGY = "湿地飞来候鸟，白鹭成群。"  # migrant birds come to the wetland, egrets in flocks
PAGE = f"{HEATING}\n{ECOLOGY}\n"
LABELED = {  # two labels in Chinese: heat supply, and the environment
    "供热": ["暖气不热上门修", "换热站昨夜试水", "锅炉房停暖抢修", "供热管网打压"],
    "生态环境": ["湿地飞来一群候鸟", "河水变清白鹭来", "林场补种油松", "污水处理达标排放"],
}
LANMU = Path(sys.executable).with_name("lanmu")
DATA = os.environ.get("LANMU_DATA")


def columns(text):
    """Count the columns of a terminal: two for each wide or full-width character."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def write_labeled(folder, labeled=LABELED):
    folder.mkdir()
    for label, texts in labeled.items():
        rows = [json.dumps({"text": text, "label": label}) + "\n" for text in texts]
        (folder / f"{label}.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder


@pytest.fixture
def lanmu(monkeypatch, capsys):
    """Run the command in this process; return its exit code, its output and its errors."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr("sys.argv", ["lanmu", *map(str, arguments)])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            main()
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    monkeypatch.delenv("COLUMNS", raising=False)
    return run


@pytest.fixture
def page(tmp_path):
    file = tmp_path / "page.txt"
    file.write_text(PAGE, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """Return the folder of a little labelled data and the model trained on it by the command."""
    folder = tmp_path_factory.mktemp("mine")
    command = [LANMU, "train", write_labeled(folder / "labeled"), "-o", folder / "mine.lanmu"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def assert_refused(outcome, *said):
    code, out, err = outcome
    assert (code, out) == (2, "")
    assert err.startswith("lanmu: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    for words in said:
        assert words in err


# label


def test_label_prints_a_row_for_each_paragraph(lanmu, page):
    code, out, err = lanmu("label", page)
    head, first, second = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split() == ["paragraph", "topic", "probability", "text"]
    assert re.fullmatch(rf"0 +heating +[01]\.\d\d +{HEATING}", first)
    assert re.fullmatch(rf"1 +ecology +[01]\.\d\d +{ECOLOGY}", second)


def test_label_as_jsonl_gives_what_the_model_says(lanmu, page):
    code, out, err = lanmu("label", page, "--format", "jsonl")
    records = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert list(records[0]) == ["paragraph", "text", "label", "probability", "topics", "reason"]
    said = load_model().label([HEATING, ECOLOGY])
    for i, (record, labelled) in enumerate(zip(records, said, strict=True)):
        assert record["paragraph"] == i
        assert record["text"] == [HEATING, ECOLOGY][i]
        assert record["label"] == labelled.label
        assert record["probability"] == pytest.approx(labelled.probability, abs=1e-4)
        assert record["topics"] == list(labelled.topics)
        assert record["reason"] is None


def test_label_as_csv_can_be_read_again(lanmu, tmp_path):
    file = tmp_path / "page.txt"
    text = '他说：“换热站, 试水了”,\n"暖气"也热了。'  # quotes and commas of both kinds
    file.write_text(f"{text}\n\n{ECOLOGY}\n", encoding="utf-8")
    code, out, err = lanmu("label", file, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert (code, err) == (0, "")
    assert [row["text"] for row in rows] == [text, ECOLOGY]
    assert [row["paragraph"] for row in rows] == ["0", "1"]
    assert rows[1]["label"] == "ecology"


def test_label_reads_standard_input(lanmu, page):
    assert lanmu("label", "-", stdin=PAGE.encode()) == lanmu("label", page)


def test_blank_lines_part_paragraphs(lanmu, tmp_path):
    file = tmp_path / "page.txt"
    file.write_text(f"换热站\n昨日试水\n\n{ECOLOGY}\n", encoding="utf-8")
    _, out, _ = lanmu("label", file, "--format", "jsonl")
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["换热站\n昨日试水", ECOLOGY]


def test_a_text_without_known_words_has_a_dash_and_a_reason(lanmu, mine, tmp_path):
    file = tmp_path / "page.txt"
    file.write_text("xyz\n", encoding="utf-8")
    _, out, _ = lanmu("label", file, "--model", mine / "mine.lanmu")
    assert out.splitlines()[1].split() == ["0", "-", "-", "xyz"]
    _, out, _ = lanmu("label", file, "--model", mine / "mine.lanmu", "--format", "jsonl")
    record = json.loads(out)
    assert (record["label"], record["probability"], record["topics"]) == (None, None, [])
    assert "no word" in record["reason"]


def test_label_takes_a_model_of_yours(lanmu, mine, page):
    _, out, _ = lanmu("label", page, "--model", mine / "mine.lanmu", "--format", "jsonl")
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["供热", "生态环境"]


# pages and PDF


HEATING_STORY = (  # the stations were filled at night, flats warm up from today
    "昨夜十一点，换热站完成注水试压，供热集团今天起分批升温，七十四个小区的暖气热了。"
)
ECOLOGY_STORY = (  # the first egrets came early, the warden counted them
    "今年第一批白鹭提前半个月到达，湿地公园的护鸟员清晨登记了二十一只候鸟。"
)
NEWSPAPER = f"热网昨夜并网\n\n{HEATING_STORY}\n\n候鸟回来了\n\n{ECOLOGY_STORY}\n"


@pytest.fixture
def newspaper(tmp_path):
    file = tmp_path / "newspaper.txt"
    file.write_text(NEWSPAPER, encoding="utf-8")
    return file


def blank_pdf(file, **encryption):
    pypdf = pytest.importorskip("pypdf")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    if encryption:
        writer.encrypt(**encryption)
    writer.write(file)
    return file


@pytest.fixture
def pdf_pages(monkeypatch):
    """Have any file read as a document of these pages; how PDF is read is tested elsewhere."""

    def read(*pages):
        monkeypatch.setattr("lanmu.cli.read_document", lambda *_: Document(pages, None))

    return read


def test_label_page_prints_a_row_for_each_article(lanmu, newspaper):
    code, out, err = lanmu("label", "--page", newspaper)
    head, *rows = out.splitlines()
    articles = read_page(NEWSPAPER, load_model()).articles
    assert (code, err) == (0, "")
    assert head.split() == ["page", "article", "topic", "paragraphs", "heading", "text"]
    assert len(rows) == len(articles)
    for i, (row, article) in enumerate(zip(rows, articles, strict=True)):
        assert row.split()[:4] == ["1", str(i), article.topic, str(len(article.paragraphs))]
        assert article.heading in row


def test_label_page_as_jsonl_gives_what_read_page_says(lanmu, newspaper):
    code, out, err = lanmu("label", "--page", newspaper, "--format", "jsonl")
    records = [json.loads(line) for line in out.splitlines()]
    page = read_page(NEWSPAPER, load_model())
    assert (code, err) == (0, "")
    assert [record["text"] for record in records] == [article.text for article in page.articles]
    assert [record["topic"] for record in records] == [article.topic for article in page.articles]
    for record in records:
        for place in record["fragments"]:
            fragment = page.fragments[place["fragment"]]
            assert (place["start"], place["end"]) == (fragment.start, fragment.end)
    placed = sorted(place["fragment"] for record in records for place in record["fragments"])
    assert placed == list(range(len(page.fragments)))


def test_label_page_as_csv_can_be_read_again(lanmu, newspaper):
    _, out, _ = lanmu("label", "--page", newspaper, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["heading"] for row in rows] == ["热网昨夜并网", "候鸟回来了"]
    assert [row["text"] for row in rows] == [HEATING_STORY, ECOLOGY_STORY]


def test_html_draws_the_page(lanmu, newspaper, tmp_path):
    drawn = tmp_path / "drawn.html"
    code, out, err = lanmu("label", "--page", newspaper, "--html", drawn)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith(f"{drawn}: ")
    html = drawn.read_text(encoding="utf-8")
    assert "<h1>newspaper.txt</h1>" in html
    assert html.count('class="fragment ') == 4
    _, out, _ = lanmu("label", "--page", newspaper, "--html", drawn, "--format", "jsonl")
    assert all(json.loads(line) for line in out.splitlines())


def test_html_is_refused_before_anything_is_read(lanmu, newspaper, tmp_path, monkeypatch):
    def too_late(*_):
        raise AssertionError("it read the page first")

    monkeypatch.setattr("lanmu.page.read_page", too_late)
    drawn = tmp_path / "none" / "drawn.html"
    assert_refused(lanmu("label", "--page", newspaper, "--html", drawn), f"--html {drawn}")
    assert_refused(lanmu("label", newspaper, "--html", "drawn.html"), "--page")


def test_a_page_is_read_from_standard_input_and_in_gb18030(lanmu, newspaper):
    plain = lanmu("label", "--page", newspaper)
    assert lanmu("label", "--page", "-", stdin=NEWSPAPER.encode()) == plain
    code, out, err = lanmu("label", "--page", "-", stdin=NEWSPAPER.encode("gb18030"))
    assert (code, out) == plain[:2]
    assert err == "lanmu: -: not UTF-8; read as GB18030\n"


def test_each_page_of_a_pdf_is_read_by_itself(lanmu, newspaper, pdf_pages, tmp_path):
    pdf_pages(f"热网昨夜并网\n\n{HEATING_STORY}", " ", f"候鸟回来了\n\n{ECOLOGY_STORY}")
    drawn = tmp_path / "drawn.html"
    code, out, err = lanmu("label", "--page", newspaper, "--html", drawn, "--format", "jsonl")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert err == f"lanmu: {newspaper}: page 2 has no text layer; left out\n"
    assert [(record["page"], record["article"]) for record in records] == [(1, 0), (3, 0)]
    html = drawn.read_text(encoding="utf-8")
    assert re.findall(r"第 (\d+) 页", html) == ["1", "3"]


def test_the_paragraphs_of_a_pdf_are_numbered_through_its_pages(lanmu, newspaper, pdf_pages):
    pdf_pages(f"{HEATING}\n\n{ECOLOGY}", ECOLOGY)
    _, out, _ = lanmu("label", newspaper, "--format", "jsonl")
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["text"] for record in records] == [HEATING, ECOLOGY, ECOLOGY]
    assert [record["paragraph"] for record in records] == [0, 1, 2]


@pytest.mark.parametrize("option", [(), ("--page",)], ids=["label", "label --page"])
def test_a_pdf_that_cannot_be_read_is_refused_in_one_line(lanmu, tmp_path, option):
    blank = blank_pdf(tmp_path / "scan.pdf")
    assert_refused(lanmu("label", *option, blank), f"{blank}: ", "without a text layer", "OCR")
    locked = blank_pdf(tmp_path / "locked.pdf", user_password="x", algorithm="RC4-128")
    assert_refused(lanmu("label", *option, locked), f"{locked}: ", "encrypted")
    (tmp_path / "cut.pdf").write_bytes(blank.read_bytes()[:40])
    assert_refused(lanmu("label", *option, tmp_path / "cut.pdf"), "cut.pdf: ", "damaged")


# encodings


def test_gb18030_is_read_and_said(lanmu, page, tmp_path):
    file = tmp_path / "old.txt"
    file.write_bytes(PAGE.encode("gb18030"))
    code, out, err = lanmu("label", file)
    assert (code, out) == lanmu("label", page)[:2]
    assert err == f"lanmu: {file}: not UTF-8; read as GB18030\n"


@pytest.mark.parametrize("encoding", ["gb18030", "GB18030", "gbk", "utf-16"])
def test_an_encoding_that_is_asked_for_is_used_without_a_word(lanmu, page, tmp_path, encoding):
    file = tmp_path / "other.txt"
    file.write_bytes(PAGE.encode(encoding))
    assert lanmu("label", file, "--encoding", encoding) == lanmu("label", page)


def test_a_byte_order_mark_tells_the_encoding(lanmu, page, tmp_path):
    file = tmp_path / "notepad.txt"
    for encoding in ("utf-16", "utf-8-sig"):
        file.write_bytes(PAGE.encode(encoding))
        assert lanmu("label", file) == lanmu("label", page)


def test_text_in_another_encoding_than_was_asked_for_is_refused(lanmu, tmp_path):
    file = tmp_path / "old.txt"
    file.write_bytes(PAGE.encode("gb18030"))
    assert_refused(
        lanmu("label", file, "--encoding", "utf-8"), f"{file}: cannot be read as utf-8", "0xbb"
    )
    assert_refused(lanmu("label", file, "--encoding", "klingon"), f"{file}: ", "klingon")
    assert_refused(lanmu("label", file, "--encoding", "hex"), f"{file}: ", "hex")


# what can't be labelled


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "has no text to label"),
        (b" \n\t\r\n\xe3\x80\x80\n", "has no text to label"),  # an ideographic space last
        (b"\xef\xbb\xbf", "has no text to label"),  # a byte order mark
        (bytes(range(256)), "neither UTF-8 (byte 128 is 0x80) nor GB18030; name its encoding"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xff\xff", "neither UTF-8"),
        (b"\xff\xfe\x00\xd8", "begins as utf-16-le, but"),  # half of a surrogate pair
    ],
    ids=["empty", "blank", "mark", "all bytes", "program", "broken UTF-16"],
)
def test_what_holds_no_text_is_refused(lanmu, tmp_path, data, said):
    file = tmp_path / "page.txt"
    file.write_bytes(data)
    assert_refused(lanmu("label", file), str(file), said)
    assert_refused(lanmu("label", "-", stdin=data), "-: ", said)


def test_missing_files_and_folders_are_refused_by_name(lanmu, page, tmp_path):
    missing = tmp_path / "none.txt"
    assert_refused(lanmu("label", missing), f"{missing}: No such file")
    assert_refused(lanmu("label", tmp_path), f"{tmp_path}: ")
    assert_refused(lanmu("label", page, "--model", missing), f"{missing}: No such file")
    assert_refused(lanmu("label", page, "--model", tmp_path), f"{tmp_path}: ")
    assert_refused(lanmu("explain", HEATING, "--model", missing), f"{missing}: No such file")
    assert_refused(lanmu("evaluate", missing), f"{missing}: No such file")
    assert_refused(lanmu("train", missing, "-o", tmp_path / "m.lanmu"), f"{missing}: No such file")


def test_what_is_no_model_is_refused_by_name(lanmu, page, mine, tmp_path):
    assert_refused(lanmu("label", page, "--model", page), f"{page}: is no lanmu model file")
    damaged = tmp_path / "damaged.lanmu"
    damaged.write_bytes((mine / "mine.lanmu").read_bytes()[:-100])
    assert_refused(lanmu("label", page, "--model", damaged), f"{damaged}: is damaged")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["label"], "Missing argument 'FILE'"),
        (["lable", "page.txt"], "'lable'"),
        (["label", "page.txt", "--format", "xml"], "'xml' is not one of 'table', 'jsonl', 'csv'"),
        (["label", "page.txt", "--colour"], "--colour"),
        (["label", "page.txt", "page.txt"], "page.txt"),
        (["explain"], "Missing argument 'TEXT'"),
        (["train", "labeled"], "'--output'"),
        (["evaluate", "labeled", "--model", "m.lanmu", "--shipped"], "not both"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_said_in_one_line(lanmu, arguments, said):
    assert_refused(lanmu(*arguments), said)


def test_without_a_command_it_shows_how_it_is_used(lanmu):
    code, out, err = lanmu()
    assert code == 2
    shown = (out + err).splitlines()
    assert shown[0].endswith("lanmu [OPTIONS] COMMAND [ARGS]...")
    assert any(line.split()[:1] == ["label"] for line in shown)


def test_help_and_version(lanmu):
    code, out, _ = lanmu("--version")
    assert code == 0
    assert out.endswith(f"lanmu, version {version('lanmu')}\n")
    for arguments in (["-h"], ["label", "--help"], ["train", "-h"], ["evaluate", "-h"]):
        code, out, err = lanmu(*arguments)
        assert (code, err) == (0, "")
        assert out.startswith("Usage: ")
        assert " ".join(arguments[:-1]) in out.splitlines()[0]


def test_an_interrupt_ends_it_quietly(lanmu, page, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("lanmu.cli.load_model", interrupted)
    code, out, err = lanmu("label", page)
    assert (code, out) == (130, "")
    assert "Traceback" not in err


# how wide


def test_a_table_fits_a_narrow_terminal(lanmu, page, mine, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = lanmu("label", page, "--model", mine / "mine.lanmu")
    _, first, second = out.splitlines()
    # "paragraph", "probability" and the wider topic leave less than the 8 columns that text gets
    used = columns("paragraph  生态环境  probability  ")
    for line, text in ((first, HEATING), (second, ECOLOGY)):
        assert used < columns(line) <= max(40, used + 8)
        assert line.endswith("…")
        assert line[-4:-1] in text


def test_a_wide_terminal_shows_the_whole_text(lanmu, tmp_path, monkeypatch):
    file = tmp_path / "page.txt"
    file.write_text(HEATING * 8, encoding="utf-8")
    cut = lanmu("label", file)[1].splitlines()[1]
    assert cut.endswith("…")
    assert 98 <= columns(cut) <= 100
    monkeypatch.setenv("COLUMNS", "300")
    assert lanmu("label", file)[1].endswith(f"  {HEATING * 8}\n")


def test_columns_are_aligned_where_topics_are_in_chinese(lanmu, page, mine):
    _, out, _ = lanmu("label", page, "--model", mine / "mine.lanmu")
    head, first, second = out.splitlines()
    begins = [columns(head[: head.index(name)]) for name in ("topic", "probability", "text")]
    for line, topic, text in ((first, "供热", HEATING), (second, "生态环境", ECOLOGY)):
        assert columns(line[: line.index(topic)]) == begins[0]
        assert columns(line[: re.search(r"[01]\.\d\d", line).start()]) == begins[1]
        assert columns(line[: line.index(text)]) == begins[2]


# explain


def test_explain_shows_the_words_that_decided(lanmu):
    code, out, err = lanmu("explain", HEATING)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[:2] == [HEATING, ""]
    score = float(re.fullmatch(r"heating: log-odds ([+-]\d+\.\d\d)", lines[2])[1])
    weights = [float(line.split()[0]) for line in lines[3:]]
    assert sum(weights) == pytest.approx(score, abs=0.1)  # of rounded weights
    assert {"换热站", "暖气"} <= {line.split()[-1] for line in lines[4:]}


def test_explain_takes_a_label_a_model_and_standard_input(lanmu, mine):
    model = mine / "mine.lanmu"
    _, out, _ = lanmu("explain", "-", "--label", "供热", "--model", model, stdin=ECOLOGY.encode())
    assert out.startswith(f"{ECOLOGY}\n\n供热: log-odds ")
    assert_refused(
        lanmu("explain", ECOLOGY, "--label", "heating", "--model", model),
        "--label 'heating' is none of 供热, 生态环境",
    )


def test_explain_takes_an_empty_text(lanmu):
    for arguments in (("explain", ""), ("explain", "-")):
        code, out, err = lanmu(*arguments)
        assert (code, err) == (0, "")
        assert "(intercept)" in out


# train and evaluate


def test_train_writes_a_model_and_prints_its_held_out_scores(lanmu, tmp_path):
    folder = write_labeled(tmp_path / "labeled")
    code, out, err = lanmu("train", folder, "-o", tmp_path / "mine.lanmu")
    assert (code, err) == (0, "")
    head, heat, environment, macro, size = out.splitlines()
    assert head.split() == ["label", "precision", "recall", "f1", "support"]
    assert heat.split()[0] == "供热"
    assert environment.split()[0] == "生态环境"
    held_out = load_model(tmp_path / "mine.lanmu").card["held_out"]
    assert macro.startswith(f"macro-F1 {held_out['macro_f1']:.3f} (")
    assert size.startswith(f"{tmp_path / 'mine.lanmu'}: ")


def test_train_takes_one_file_and_prints_jsonl(lanmu, tmp_path):
    folder = write_labeled(tmp_path / "labeled")
    both = tmp_path / "both.jsonl"
    both.write_bytes(b"".join(file.read_bytes() for file in folder.iterdir()))
    _, out, _ = lanmu("train", both, "-o", tmp_path / "mine.lanmu", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["label"], row["support"]) for row in rows] == [("供热", 4), ("生态环境", 4)]


def test_train_judges_on_a_test_file_without_the_copies_in_it(lanmu, tmp_path):
    folder = write_labeled(tmp_path / "labeled")
    first = sorted(folder.iterdir())[0]
    copied = json.loads(first.read_text("utf-8").splitlines()[0])
    new = {"text": "换热站昨夜抢修，暖气片今早热了", "label": "供热"}  # a heat station was mended
    test = tmp_path / "test.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in (new, copied)]
    test.write_text("".join(lines), encoding="utf-8")
    arguments = ("train", folder, "-o", tmp_path / "mine.lanmu", "--test", test)
    code, out, err = lanmu(*arguments)
    assert code == 0
    assert err == f"lanmu: {test}:2: 100% alike with {first}:1; left out\n"
    scores = out.split(f"\n{test}:\n")[1].splitlines()
    assert scores[1].split() == ["供热", "1.0", "1.0", "1.0", "1"]
    test.write_text(lines[1], encoding="utf-8")
    code, out, err = lanmu(*arguments)
    assert (code, out) == (2, "")
    assert "every paragraph is a near-duplicate" in err.splitlines()[-1]


def test_train_refuses_at_once_to_write_where_it_cannot(lanmu, tmp_path, monkeypatch):
    def too_late(*_, **__):
        raise AssertionError("it trained first")

    folder = write_labeled(tmp_path / "labeled")
    monkeypatch.setattr("lanmu_training.train", too_late)
    output = tmp_path / "none" / "mine.lanmu"
    assert_refused(lanmu("train", folder, "-o", output), f"-o {output}", "make it first")
    (tmp_path / "models").mkdir()
    assert_refused(lanmu("train", folder, "-o", tmp_path / "models"), str(tmp_path / "models"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labeled", "models"]


def test_training_again_replaces_the_model_and_leaves_no_other_file(lanmu, mine, tmp_path):
    output = tmp_path / "mine.lanmu"
    output.write_bytes(b"an older model")
    lanmu("train", mine / "labeled", "-o", output)
    assert output.read_bytes() == (mine / "mine.lanmu").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.lanmu"]


def test_evaluate_judges_training_or_a_model(lanmu, mine):
    code, out, err = lanmu("evaluate", mine / "labeled")
    assert (code, err) == (0, "")
    assert re.search(r"\nmacro-F1 \d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\), accuracy \d\.\d{3} \(", out)
    assert "(0.500 by always answering the commonest label)" in out
    _, out, _ = lanmu("evaluate", mine / "labeled", "--model", mine / "mine.lanmu")
    assert "accuracy 1.000" in out  # which it was trained on
    _, out, _ = lanmu("evaluate", mine / "labeled", "--format", "csv")
    assert [row["label"] for row in csv.DictReader(io.StringIO(out))] == ["供热", "生态环境"]


def test_evaluate_judges_the_shipped_model(lanmu, tmp_path):
    by_name = dict(zip(("heating", "ecology"), LABELED.values(), strict=True))
    code, out, _ = lanmu("evaluate", write_labeled(tmp_path / "labeled", by_name), "--shipped")
    assert code == 0
    assert "accuracy 1.000" in out


def test_evaluate_refuses_labels_that_the_model_lacks(lanmu, mine):
    outcome = lanmu("evaluate", mine / "labeled", "--shipped")
    assert_refused(outcome, "供热.jsonl:", "field 'label' is '供热', none of the model's consult")


# in a process of its own


def in_a_terminal(*arguments, **environment):
    """Run the command with a terminal as its standard output; return what that shows."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    terminal, its_end = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [LANMU, *arguments], stdout=its_end, stderr=subprocess.PIPE, env=kept | environment
    )
    os.close(its_end)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # Linux says so where others say nothing: the other end is closed
        pass
    os.close(terminal)
    assert process.communicate() == (None, b"")
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n")


def test_explain_is_coloured_in_a_terminal_alone():
    plain = subprocess.run(
        [LANMU, "explain", HEATING], capture_output=True, check=True, encoding="utf-8"
    ).stdout
    assert "\x1b" not in plain
    coloured = in_a_terminal("explain", HEATING)
    assert "\x1b[32m" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain
    assert in_a_terminal("explain", HEATING, NO_COLOR="1") == plain


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_a_reader_that_has_enough_is_no_error(form, tmp_path):
    file = tmp_path / "long.txt"
    file.write_text(PAGE * 3000, encoding="utf-8")
    process = subprocess.Popen(
        [LANMU, "label", file, "--format", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    first = process.stdout.readline()
    process.stdout.close()  # as head -1 does
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
    assert first.decode().startswith("paragraph " if form == "table" else '{"paragraph": 0, ')


def test_a_reader_that_wants_nothing_is_no_error(page):
    process = subprocess.Popen(
        [LANMU, "label", page], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_said_in_one_line(page):
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [LANMU, "label", page], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert process.returncode == 2
    assert re.fullmatch(rb"lanmu: [^\n]*space[^\n]*\n", process.stderr)


@pytest.mark.parametrize(
    "arguments", [["label", "page.txt"], ["explain", HEATING]], ids=["label", "explain"]
)
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8:strict"])
def test_an_output_that_cannot_hold_chinese_makes_no_traceback(arguments, encoding, page):
    process = subprocess.run(
        [LANMU, *arguments],
        cwd=page.parent,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert process.returncode in (0, 2)
    assert b"Traceback" not in process.stderr
    assert process.stderr.count(b"\n") == (process.returncode == 2)


@pytest.mark.skipif(os.name != "posix", reason="arguments are bytes on POSIX systems alone")
def test_an_argument_in_another_encoding_makes_no_traceback():
    process = subprocess.run(
        [os.fsencode(LANMU), b"explain", "换热站".encode("gb18030")],
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        check=False,
    )
    assert process.returncode in (0, 2)
    assert b"Traceback" not in process.stderr


# the page that the project exists for


@pytest.mark.skipif(DATA is None, reason="LANMU_DATA names no folder of real data")
def test_the_real_page_gets_accepted_labels(lanmu):
    folder = Path(DATA, "page")
    (file,) = folder.glob("*.txt")
    code, out, _ = lanmu("label", file, "--format", "jsonl")
    labels = [json.loads(line)["label"] for line in out.splitlines()]
    assert code == 0
    assert len(labels) == 58
    with (folder / "gold.tsv").open(encoding="utf-8", newline="") as gold:
        rows = [row for row in csv.DictReader(gold, delimiter="\t") if row["kind"] == "body"]
    accepted = sum(labels[int(row["paragraph"])] in row["topics"].split(",") for row in rows)
    assert len(rows) == 53
    assert accepted >= 44
