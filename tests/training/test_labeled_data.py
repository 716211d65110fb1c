"""Labelled paragraphs are checked at the door, and their order in files changes nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu.cli import main
from lanmu_training import Example, LabeledData, LabeledDataError, read_labeled, train
from lanmu_training.labeled_data import MIN_EXAMPLES, check_trainable
from lanmu_training.leakage import groups

CASES = json.loads(
    Path(__file__).parents[1].joinpath("cases", "bad_labeled_data.json").read_text(encoding="utf-8")
)["cases"]


def as_line(row):
    return row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)


def write_rows(file, rows, encoding="utf-8", newline="\n"):
    file.write_bytes("".join(as_line(row) + newline for row in rows).encode(encoding))


def write_case(case, folder):
    folder.mkdir()
    how = {key: case[key] for key in ("encoding", "newline") if key in case}
    for name, rows in case["files"].items():
        write_rows(folder / name, rows, **how)
    return folder


def row(text="换热站试水", label="heating", **fields):  # the heat exchange station is tried
    return {"text": text, "label": label, **fields}


def read_one(tmp_path, line):
    file = tmp_path / "one.jsonl"
    file.write_bytes(line)
    return read_labeled(file).examples


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["comment"])
def test_bad_data_is_refused_by_file_line_and_field_with_what_to_do(case, tmp_path):
    folder = write_case(case, tmp_path / "data")
    with pytest.raises(LabeledDataError) as caught:
        train(read_labeled(folder))
    for said in case["says"]:
        assert said in str(caught.value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["comment"])
def test_bad_data_overwrites_nothing(case, tmp_path, monkeypatch, capsys):
    folder = write_case(case, tmp_path / "data")
    model = tmp_path / "mine.lanmu"
    model.write_bytes(b"an older model")
    monkeypatch.setattr("sys.argv", ["lanmu", "train", str(folder), "-o", str(model)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.startswith("lanmu: ")
    assert err.count("\n") == 1
    for said in case["says"]:
        assert said in err
    assert model.read_bytes() == b"an older model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "mine.lanmu"]


def test_the_error_names_the_path_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_rows(Path("mine.jsonl"), [row(), {"label": "heating"}])
    with pytest.raises(LabeledDataError, match=r"^mine\.jsonl:2: "):
        read_labeled("mine.jsonl")
    with pytest.raises(LabeledDataError, match=r"^mine\.jsonl:2: "):
        read_labeled(".")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000], ids=["huge number", "deep list"])
def test_json_that_python_gives_up_on_is_refused(value, tmp_path):
    with pytest.raises(LabeledDataError, match=r"one\.jsonl:1: is not JSON"):
        read_one(tmp_path, b'{"text": %s' % value.encode())


def test_a_long_bad_value_is_shown_in_part(tmp_path):
    with pytest.raises(LabeledDataError) as caught:
        read_one(tmp_path, as_line(row(also="很" * 10_000)).encode())  # "very", very often
    assert len(str(caught.value).removeprefix(str(tmp_path))) < 200


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        read_labeled(tmp_path / "none.jsonl")
    assert caught.value.filename.endswith("none.jsonl")


def test_every_field_is_read_and_unknown_ones_are_left_alone(tmp_path):
    line = as_line(
        row(article="试水", genre="news", also=["welfare"], id="h1", author={"name": "?"})
    )
    (example,) = read_one(tmp_path, line.encode())
    assert example == Example(
        "换热站试水", "heating", "试水", "news", ("welfare",), f"{tmp_path / 'one.jsonl'}:1"
    )


def test_optional_fields_may_be_null_or_missing(tmp_path):
    line = as_line(row(article=None, genre=None, also=None, id=None))
    (given_null,) = read_one(tmp_path, line.encode())
    (left_out,) = read_one(tmp_path, as_line(row()).encode())
    assert given_null == left_out
    assert (left_out.article, left_out.genre, left_out.also) == (None, None, ())


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        (b"", b"\n", b"\n"),
        (b"", b"\n", b""),
        (b"\xef\xbb\xbf", b"\n", b"\n"),  # a byte order mark
        (b"", b"\r\n", b"\r\n"),
        (b"\n\n", b"\n \t\n\r\n", b"\n\n"),
    ],
    ids=["plain", "no last newline", "mark", "Windows", "blank lines"],
)
def test_marks_line_ends_and_blank_lines_change_nothing(before, between, after, tmp_path):
    first, second = as_line(row("换热站试水")), as_line(row("锅炉房停暖"))
    examples = read_one(tmp_path, before + first.encode() + between + second.encode() + after)
    assert {example.text for example in examples} == {"换热站试水", "锅炉房停暖"}


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\x00", "\r\n", "\v\f", "\ufeff"])
def test_odd_characters_inside_a_string_stay_in_the_text(inside, tmp_path):
    text = f"换热站{inside}试水"
    (example,) = read_one(tmp_path, as_line(row(text)).encode())
    assert example.text == text


def test_a_lone_surrogate_in_a_text_does_not_stop_training(tmp_path):
    rows = [
        *(row(text) for text in ("换热站\ud83d试水", "锅炉房停暖", "供热管网打压")),
        *(row(text, "ecology") for text in ("湿地候鸟", "河水变清", "林场补种")),
    ]
    file = tmp_path / "one.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    train(read_labeled(file)).save(tmp_path / "mine.lanmu")


def test_a_folder_is_read_by_its_jsonl_files_alone(tmp_path):
    write_rows(tmp_path / "heating.jsonl", [row()])
    write_rows(tmp_path / "ecology.jsonl", [row("湿地候鸟", "ecology")])
    (tmp_path / "README.md").write_text("which labels there are", encoding="utf-8")
    assert read_labeled(tmp_path).labels == ["heating", "ecology"]  # in the order of their texts
    assert read_labeled(str(tmp_path / "heating.jsonl")).labels == ["heating"]


ROWS = st.fixed_dictionaries(
    {"text": st.sampled_from(["换热站", "锅炉房", "湿地"]), "label": st.sampled_from("ab")},
    optional={
        "article": st.sampled_from([None, "", "x", "y"]),
        "genre": st.sampled_from([None, "", "news"]),
        "also": st.sampled_from([None, [], ["b"]]),
    },
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(ROWS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_of_files_change_nothing(tmp_path_factory, rows, rng):
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    write_rows(one / "all.jsonl", rows)
    shuffled = rng.sample(rows, len(rows))
    cut = rng.randrange(len(rows) + 1)
    write_rows(other / "z.jsonl", shuffled[:cut])
    write_rows(other / "b.jsonl", shuffled[cut:])
    first, second = read_labeled(one), read_labeled(other)
    assert first.digest() == second.digest()
    assert (first.texts, first.labels) == (second.texts, second.labels)
    assert [(e.article, e.genre, e.also) for e in first] == [
        (e.article, e.genre, e.also) for e in second
    ]


def test_the_digest_tells_data_apart():
    def digest(**changes):
        example = {"text": "换热站", "label": "heating", "article": "a", **changes}
        return LabeledData((Example(**example), Example("湿地", "ecology", "b"))).digest()

    digests = {
        digest(),
        digest(text="换热站。"),
        digest(label="welfare"),
        digest(article="c"),
        digest(article=None),
    }
    assert len(digests) == 5
    assert digest(source="elsewhere.jsonl:7") == digest()


def examples(label, n, **fields):
    return [Example(f"{label}{i}", label, source=f"f:{label}{i}", **fields) for i in range(n)]


def assert_trainable(*some):
    data = LabeledData(some)
    check_trainable(data, groups(data))


def test_the_fewest_examples_that_will_do_are_accepted():
    assert_trainable(*examples("a", MIN_EXAMPLES), *examples("b", MIN_EXAMPLES))
    with pytest.raises(LabeledDataError, match="'b' has 2 examples; write 3 or more"):
        assert_trainable(*examples("a", MIN_EXAMPLES), *examples("b", MIN_EXAMPLES - 1))


def test_data_made_by_hand_needs_no_sources():
    made = [Example(text, "a") for text in "甲乙丙"] + [Example(text, "b") for text in "丁戊己"]
    assert_trainable(*made)


def test_two_articles_will_do_for_a_label():
    of_one = examples("a", 3, article="x")
    assert_trainable(*of_one, Example("another", "a", "y"), *examples("b", 3))
    with pytest.raises(LabeledDataError, match="'article': the 3 examples of 'a' are of 1 article"):
        assert_trainable(*of_one, *examples("b", 3))


def test_near_duplicates_are_as_one_article():
    copies = [Example(f"湿地飞来一群候鸟{i}", "a", source=f"f:{i}") for i in range(3)]  # birds come
    with pytest.raises(LabeledDataError, match=r"^f:\d: field 'article': .* near-duplicates"):
        assert_trainable(*copies, *examples("b", 3))


def test_the_same_text_twice_with_one_label_is_accepted():
    assert_trainable(*examples("a", 3), Example("a0", "a", source="f:9"), *examples("b", 3))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_by_line(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("any") / "any.jsonl"
    file.write_bytes(data)
    with pytest.raises(LabeledDataError, match=r"any\.jsonl:(\d+:| has no labelled paragraph)"):
        read_labeled(file)
