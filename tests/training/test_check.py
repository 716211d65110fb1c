"""What would spoil training is found, by file and line, and ordinary Chinese is left alone."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanmu_training import Example, LabeledData, check

HEATING = (
    "城南换热站昨夜并网，居民家中的暖气今早热了起来。",  # the heat station joined the network
    "锅炉房检修三天，供热公司挨户登记室温。",  # boilers under repair, temperatures noted
    "老旧管网改造完工，四千户居民提前试水。",  # old pipes renewed, 4,000 homes test water
)
ECOLOGY = (
    "湿地里飞来两百只白鹭，观鸟的人排起长队。",  # 200 egrets in the wetland, birdwatchers queue
    "河道清淤以后，水质连续五个月达到三类。",  # the river is dredged, its water is of class III
    "林场今春补种油松，成活率超过九成。",  # pines were replanted, nine in ten live
)
GOOD = [(text, "heating") for text in HEATING] + [(text, "ecology") for text in ECOLOGY]


def labelled(*rows):
    """Labelled data of (text, label), after six paragraphs without a fault."""
    examples = [
        Example(text, label, source=f"f:{i}") for i, (text, label) in enumerate([*GOOD, *rows], 1)
    ]
    return LabeledData(tuple(examples))


def findings(*texts, label="ecology"):
    """What is found in some texts of one label."""
    return check(labelled(*[(text, label) for text in texts])).findings


def told(*texts):
    return [(finding.kind, finding.where) for finding in findings(*texts)]


def test_data_without_a_fault_is_clean():
    found = check(labelled())
    assert found.findings == ()
    assert found.clean


# duplicates


@pytest.mark.parametrize(
    "copy",
    [ECOLOGY[0], ECOLOGY[0].replace("，", ","), f" {ECOLOGY[0]}\u3000"],
    ids=["to the letter", "another width of punctuation", "other blanks"],
)
def test_a_text_that_stands_there_twice_spoils_training(copy):
    (finding,) = findings(copy)
    assert (finding.kind, finding.where, finding.spoils) == ("duplicate", "f:7", True)
    assert "f:4" in finding.message  # which is the other one
    assert not check(labelled((copy, "ecology"))).clean


def test_each_further_copy_is_told_once():
    assert told(ECOLOGY[0], ECOLOGY[0]) == [("duplicate", "f:7"), ("duplicate", "f:8")]


def test_a_near_duplicate_is_worth_a_look_and_spoils_nothing():
    added = ECOLOGY[0].replace("两百只", "两百多只")  # more than 200 egrets
    (finding,) = findings(added)
    assert (finding.kind, finding.where, finding.spoils) == ("near-duplicate", "f:7", False)
    assert "f:4" in finding.message
    assert "%" in finding.message
    assert check(labelled((added, "ecology"))).clean


def test_texts_that_repeat_one_character_are_not_called_the_same():
    # laughter, six and seven times: one 5-gram each
    assert told("哈哈哈哈哈哈", "哈哈哈哈哈哈哈") == [("near-duplicate", "f:8")]


@pytest.mark.parametrize("text", [ECOLOGY[0], ECOLOGY[0].replace("两百", "三百")])
def test_two_labels_for_texts_alike_are_a_conflict_that_spoils(text):
    (finding,) = findings(text, label="heating")
    assert (finding.kind, finding.where, finding.spoils) == ("label conflict", "f:7", True)
    for part in ("'heating'", "'ecology'", "f:4"):
        assert part in finding.message


# labels and counts


@pytest.mark.parametrize("n", [1, 2])
def test_a_rare_label_is_told_once_where_it_first_stands(n):
    texts = ("养老院添了两名护理员", "低保金今天发到卡上")[:n]  # carers hired, allowance paid
    found = check(labelled(*[(text, "welfare") for text in texts]))
    (finding,) = found.findings
    assert (finding.kind, finding.where, finding.spoils) == ("rare label", "f:7", True)
    assert f"'welfare' has {n} of the 3" in finding.message


def test_labels_genres_and_lengths_are_counted():
    lengths = (1, 25, 26, 60, 61, 120, 121, 250, 251)
    examples = [
        Example(chr(0x4E00 + n) * n, "ba"[n % 2], genre="news" if n > 100 else None)
        for n in lengths
    ]
    found = check(LabeledData(tuple(examples)))
    assert list(found.labels.items()) == [("a", 5), ("b", 4)]
    assert found.genres == {"": 5, "news": 4}
    assert list(found.lengths.items()) == [
        ("1 to 25", 2),
        ("26 to 60", 2),
        ("61 to 120", 2),
        ("121 to 250", 2),
        ("over 250", 1),
    ]


def test_nothing_has_no_fault():
    found = check(LabeledData(()))
    assert found.findings == ()
    assert set(found.lengths.values()) == {0}


# repeated runs

RUN = "全市上下深入学习贯彻落实"  # the whole city studies and carries out in depth: 12 characters
OPENINGS = "甲乙丙丁戊己庚辛"  # first to eighth, as names
ENDINGS = "村镇县州省国街巷"  # villages, towns, counties ...


def with_run(n, run=RUN):
    """Write n paragraphs that share a run and nothing else."""
    return [f"{OPENINGS[i] * 30}{run}{ENDINGS[i] * 30}" for i in range(n)]


def test_a_run_in_more_than_six_paragraphs_is_told_where_it_first_stands():
    (finding,) = findings(*with_run(7))
    assert (finding.kind, finding.where, finding.spoils) == ("repeated run", "f:7", False)
    assert finding.message == f"{RUN!r} stands in 7 paragraphs"


@pytest.mark.parametrize(
    "texts",
    [with_run(6), with_run(8, RUN[1:]), [*with_run(5), with_run(6)[5] + RUN + RUN]],
    ids=["six paragraphs", "eleven characters", "six paragraphs, in one of them again"],
)
def test_less_is_not_a_repeated_run(texts):
    assert findings(*texts) == ()


def test_blanks_and_the_width_of_punctuation_hide_no_run():
    run = "深入学习，贯彻落实全会精神"  # study in depth, carry out the spirit of the session
    texts = with_run(4, run) + with_run(8, run.replace("，", ",").replace("全会", "全 会"))[4:]
    (finding,) = {finding.kind for finding in findings(*texts)}
    assert finding == "repeated run"


def test_a_long_phrase_is_told_once():
    (finding,) = findings(*with_run(7, f"{RUN}会议精神抓好今冬供暖"))
    assert finding.message.endswith("stands in 7 paragraphs")


def test_the_commonest_run_is_told_first():
    other = "记者从今天召开的发布会上"  # at the press conference held today, this reporter ...
    texts = [text + (other if i else "") for i, text in enumerate(with_run(8))]
    first, second = findings(*texts)
    assert first.message == f"{RUN!r} stands in 8 paragraphs"
    assert second.message == f"{other!r} stands in 7 paragraphs"


# mojibake

SENTENCE = "城南供热站今天开始试水，请居民家中留人。"  # the heat station tests its pipes; stay home


def whatwg_1252(data):
    """Decode as browsers and databases do: cp1252, and what it lacks as control characters."""
    return "".join(
        chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252")
        for byte in data
    )


MISREADINGS = {
    "latin-1": lambda data: data.decode("latin-1"),
    "cp1252": lambda data: data.decode("cp1252", "replace"),
    "cp1252 as browsers read it": whatwg_1252,
    "gb18030": lambda data: data.decode("gb18030", "replace"),
    "gb18030, its last half character dropped": lambda data: data.decode("gb18030", "ignore"),
    "gb18030, its last half character a question mark": lambda data: data.decode(
        "gb18030", "replace"
    ).replace("\ufffd", "?"),
}


@pytest.mark.parametrize("misread", MISREADINGS.values(), ids=MISREADINGS)
@pytest.mark.parametrize("text", [SENTENCE, SENTENCE[:-1]], ids=["even", "odd"])
def test_text_decoded_by_the_wrong_encoding_spoils_training(misread, text):
    (finding,) = findings(misread(text.encode()))
    assert finding.kind in ("mojibake", "not Chinese")
    assert (finding.where, finding.spoils) == ("f:7", True)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.text("供热站今天开始试水，请居民家中留人。“”：2024", min_size=8, max_size=40))
def test_any_chinese_text_that_was_read_as_latin_1_or_gb18030_is_found(text):
    for encoding in ("latin-1", "gb18030"):
        misread = text.encode().decode(encoding, "replace")
        if misread != text:  # there are digits alone
            assert any(finding.spoils for finding in findings(misread))


@pytest.mark.parametrize(
    "text",
    [
        "苏联领导人米哈伊尔·戈尔巴乔夫到访",  # the dot of foreign names: Mikhail Gorbachev visits
        "室温稳定在二十℃上下",  # it is about 20 degrees in the rooms
    ],
)
def test_mojibake_of_text_with_a_sign_among_the_characters_is_found(text):
    assert len(text.encode()) % 2 == 0  # so that no half character is left over
    assert told(text.encode().decode("gb18030")) == [("mojibake", "f:7")]


def test_one_piece_of_mojibake_in_good_text_is_found():
    misread = "供热".encode().decode("latin-1")  # heating
    # when does {heating} start? residents say: in three days
    assert told(f"记者问 {misread} 什么时候开始，居民说再过三天。") == [("mojibake", "f:7")]


@pytest.mark.parametrize("broken", ["供\ufffd热", "锟斤拷", "烫烫烫烫", "屯屯屯"])
def test_what_stands_for_lost_characters_is_mojibake(broken):
    (finding,) = findings(f"{SENTENCE}{broken}")
    assert (finding.kind, finding.spoils) == ("mojibake", True)


ORDINARY = (
    "停水通知",  # water will be off
    "通讯员",  # correspondent
    "凭什么停水",  # why is the water off
    "五环路",  # the Fifth Ring Road
    "规范算法",  # a canonical algorithm
    "联通公司的信号覆盖了全村。",  # China Unicom: its GBK bytes are UTF-8 that means nothing
    "水太烫了，屯里的人都等着。",  # the water is too hot; the villagers wait
    "今夜最低气温零下14℃，“暖冬”行动——第②批物资已到。",  # signs, dashes, a circled number
    "米哈伊尔·戈尔巴乔夫",  # Gorbachev
    "供熱管網改造",  # traditional: renewal of the heating network
    "PM2.5浓度下降12%，café也拆了烟囱。",  # fine dust is down; the café took its chimney down
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_chinese_is_left_alone(text):
    assert findings(text) == ()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.integers(0, 72 * 94 - 6).map(
        lambda k: bytes([0xB0 + k // 94, 0xA1 + k % 94]).decode("gb2312", "ignore")
    ),
    st.sampled_from(ORDINARY),
)
def test_no_common_character_before_ordinary_chinese_makes_it_mojibake(character, text):
    assert findings(character + text) == ()


# script


@pytest.mark.parametrize(
    "text",
    [
        "The heating season starts on 15 November.",
        "Отопительный сезон начнётся пятнадцатого ноября.",
        "この冬のだんぼうはいつからですか",
        "올겨울 난방은 언제 시작합니까",
        "供热 heating",
    ],
    ids=["English", "Russian", "Japanese", "Korean", "mostly English"],
)
def test_text_that_is_mostly_not_chinese_spoils_training(text):
    (finding,) = findings(text)
    assert (finding.kind, finding.where, finding.spoils) == ("not Chinese", "f:7", True)


@pytest.mark.parametrize("text", ["供热GIS平台", "13.5、14.2、15.0", "𠀀𠀁𠀂"])
def test_some_latin_letters_numbers_and_rare_characters_are_chinese(text):
    assert findings(text) == ()


# the command


@pytest.fixture
def written(tmp_path):
    """Write rows of (text, label) as a labelled file."""

    def written(rows):
        file = tmp_path / "mine.jsonl"
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        file.write_text("\n".join(lines), encoding="utf-8")
        return file

    return written


def test_the_command_counts_and_leaves_with_0_where_all_is_clean(run, written):
    status, out, err = run("check", written(GOOD))
    assert (status, err) == (0, "")
    assert "clean" in out.splitlines()
    assert ["heating", "3"] in [line.split() for line in out.splitlines()]


def test_the_command_leaves_with_1_where_training_would_be_spoilt(run, written):
    file = written([*GOOD, GOOD[0]])
    status, out, err = run("check", file, "--format", "jsonl")
    assert (status, err) == (1, "")
    (finding,) = map(json.loads, out.splitlines())
    assert finding["kind"] == "duplicate"
    assert finding["where"] in (f"{file}:1", f"{file}:7")
    assert finding["spoils"] is True
    assert run("check", file)[0] == 1


def test_what_is_only_worth_a_look_leaves_with_0(run, written):
    added = ECOLOGY[0].replace("两百只", "两百多只")
    status, out, _ = run("check", written([*GOOD, (added, "ecology")]), "--format", "jsonl")
    assert status == 0
    assert json.loads(out)["spoils"] is False


def test_data_that_cannot_be_read_leaves_with_2_and_one_line(run, tmp_path):
    status, out, err = run("check", tmp_path / "none.jsonl")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "none.jsonl" in err
