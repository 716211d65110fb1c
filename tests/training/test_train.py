"""Training gives the same model to the last byte, and a card that says how good it is."""

import itertools
import json
import os
import random
import subprocess
import sys
from importlib.metadata import version

import pytest

from lanmu import load_model
from lanmu_training import (
    Example,
    LabeledData,
    LabeledDataError,
    TopicClassifier,
    evaluate,
    read_labeled,
    train,
)
from lanmu_training.leakage import groups

WORDS = {
    "heating": ["暖气", "换热站", "锅炉房", "供热管网"],  # radiators, heat station, boilers, pipes
    "ecology": ["湿地", "候鸟", "林场", "河水"],  # wetland, birds, tree farm, river water
    "welfare": ["低保", "养老院", "护理员", "残疾人"],  # allowance, old people's home, carers
}
PLACES = ["天津", "北京", "上海", "武汉", "兰州", "哈尔滨"]  # cities
NEWS = ["昨日有了消息", "今年投入资金", "记者前往采访"]  # there is news, money, a reporter goes

TRAIN = "import sys, lanmu_training as t; t.train(t.read_labeled(sys.argv[1])).save(sys.argv[2])"


def rows():
    """72 rows of three labels, two rows an article."""
    made = []
    for i, (label, place, k) in enumerate(itertools.product(WORDS, PLACES, range(4))):
        words = WORDS[label]
        text = f"{place}{words[k]}{NEWS[i % 3]}，{words[(k + i % 3) % 4]}{NEWS[(i + k) % 3]}"
        made.append({"text": text, "label": label, "article": f"{place}{label}{k // 2}"})
    return made


def write_rows(file, some):
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in some]
    file.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("labeled")
    for label in WORDS:
        write_rows(made / f"{label}.jsonl", [row for row in rows() if row["label"] == label])
    return made


@pytest.fixture(scope="module")
def model(folder):
    return train(read_labeled(folder))


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "mine.lanmu"
    model.save(file)
    return file.read_bytes()


def trained_elsewhere(data, output, **environment):
    """Train in a process of its own and return the file's bytes."""
    command = [sys.executable, "-c", TRAIN, str(data), str(output)]
    subprocess.run(command, env=os.environ | environment, check=True)
    return output.read_bytes()


@pytest.mark.parametrize(("seed", "threads"), [("0", "1"), ("1", "2")])
def test_a_model_is_the_same_to_the_byte_for_any_hash_seed_and_threads(
    seed, threads, folder, saved, tmp_path
):
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    again = trained_elsewhere(folder, tmp_path / "m.lanmu", PYTHONHASHSEED=seed, **counts)
    assert again == saved


def test_a_model_is_the_same_to_the_byte_for_other_file_names_and_rows_in_another_order(
    saved, tmp_path
):
    shuffled = random.Random(0).sample(rows(), len(rows()))
    for i, name in enumerate(("zebra", "apple", "mango", "kiwi")):
        write_rows(tmp_path / f"{name}.jsonl", shuffled[i::4])
    train(read_labeled(tmp_path)).save(tmp_path / "m.lanmu")
    assert (tmp_path / "m.lanmu").read_bytes() == saved


@pytest.mark.parametrize(
    "settings",
    [
        {"C": 0.7},
        {"max_ngram": 1},
        {"min_df": 2},
        {"ratio_weight": 0.5},
        {"user_words": ["供热管网"]},
    ],
    ids=str,
)
def test_other_settings_give_other_bytes_and_stand_on_the_card(settings, folder, saved, tmp_path):
    other = train(read_labeled(folder), **settings)
    other.save(tmp_path / "m.lanmu")
    assert (tmp_path / "m.lanmu").read_bytes() != saved
    assert other.card["settings"] == TopicClassifier(**settings).get_params()


def test_other_data_gives_other_bytes(saved, tmp_path):
    first, *rest = rows()
    write_rows(tmp_path / "all.jsonl", [first | {"article": "another"}, *rest])
    other = train(read_labeled(tmp_path))
    other.save(tmp_path / "m.lanmu")
    assert (tmp_path / "m.lanmu").read_bytes() != saved


def test_the_card_says_what_the_model_was_trained_on_and_with(model, folder):
    data = read_labeled(folder)
    assert model.card["examples"] == {"ecology": 24, "heating": 24, "welfare": 24}
    assert model.card["data_sha256"] == data.digest()
    assert model.card["groups"] == len(set(groups(data).tolist())) <= 36
    assert model.card["settings"] == TopicClassifier().get_params()
    assert set(model.card["made_with"]) == {"lanmu", "jieba", "numpy", "scikit-learn"}
    for name, said in model.card["made_with"].items():
        assert said == version(name)


def test_the_card_has_the_scores_of_held_out_texts(model, folder):
    data = read_labeled(folder)
    held_out = model.card["held_out"]
    fitted = TopicClassifier().fit(data.texts, data.labels, groups(data))
    answers = fitted.classes_[fitted.held_out_scores_.argmax(axis=1)]
    right = sum(map(str.__eq__, answers.tolist(), data.labels)) / len(data)
    assert held_out["accuracy"] == round(right, 4)
    assert held_out["majority_accuracy"] == 0.3333
    assert list(held_out["labels"]) == ["ecology", "heating", "welfare"]
    for scores in held_out["labels"].values():
        assert scores["support"] == 24
    low, high = held_out["macro_f1_interval"]
    assert 0 <= low <= held_out["macro_f1"] <= high <= 1
    assert held_out["macro_f1"] == pytest.approx(
        sum(scores["f1"] for scores in held_out["labels"].values()) / 3, abs=1e-3
    )


def test_held_out_scores_do_not_gain_by_near_copies():
    # 40 nonsense paragraphs that tell nothing of their labels, each with a near-copy
    rng = random.Random(0)
    made = []
    for i in range(40):
        text = "".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(30))
        label = "ab"[i % 2]
        made += [Example(text, label, source=f"f:{i}"), Example(text[1:], label, source=f"g:{i}")]
    card = train(LabeledData(tuple(made))).card
    assert card["groups"] == 40
    assert card["held_out"]["accuracy"] < 0.75


def test_the_saved_model_loads_and_carries_its_card(model, saved, tmp_path):
    file = tmp_path / "mine.lanmu"
    file.write_bytes(saved)
    loaded = load_model(file)
    assert loaded.card == json.loads(json.dumps(model.card))
    assert loaded.labels == ("ecology", "heating", "welfare")
    texts = [row["text"] for row in rows()]
    assert loaded.predict(texts) == model.predict(texts) == [row["label"] for row in rows()]


def test_unknown_settings_are_refused_by_name(folder):
    with pytest.raises(TypeError, match="'degree'"):
        train(read_labeled(folder), degree=3)


def test_data_that_cannot_be_trained_on_is_refused():
    one_label = LabeledData(tuple(Example(text, "a", source=f"f:{text}") for text in "甲乙丙"))
    with pytest.raises(LabeledDataError, match="two labels or more"):
        train(one_label)


HEATING = ["换热站昨夜试水", "锅炉房停暖抢修", "供热管网打压", "暖气不热上门修"]
ECOLOGY = ["湿地飞来一群候鸟", "河水变清白鹭来", "林场补种油松", "污水达标排放"]
ALMOST_ALIKE = [f"湿地飞来一群候鸟和白鹭{i}" for i in range(4)]


@pytest.mark.parametrize(
    ("heating", "ecology", "articles"),
    [
        (HEATING[:3], ECOLOGY[:3], "aab ccd"),
        (HEATING[:3], ECOLOGY[:3], "aab aab"),
        (HEATING, ECOLOGY, "aabb aabb"),
        (HEATING, ECOLOGY, "aaab aaac"),
        (HEATING, ECOLOGY, "aabb bbaa"),
        (HEATING, ALMOST_ALIKE, "abcd efgh"),
        (HEATING, [*ALMOST_ALIKE[:3], ECOLOGY[1]], "abcd efgh"),
        ([*HEATING[:3], ALMOST_ALIKE[0]], [*ECOLOGY[1:], ALMOST_ALIKE[1]], "aaab cccd"),
    ],
    ids=[
        "three examples in two articles",
        "two articles with both labels",
        "two articles, evenly",
        "one large article with both labels",
        "articles crosswise",
        "a label of near-duplicates",
        "a label of near-duplicates and another",
        "near-duplicates across labels",
    ],
)
@pytest.mark.parametrize("use", [train, evaluate])
def test_little_data_does_or_is_refused_by_file_and_line(use, heating, ecology, articles):
    texts = [(text, "heating") for text in heating] + [(text, "ecology") for text in ecology]
    data = LabeledData(
        tuple(
            Example(text, label, article, source=f"mine.jsonl:{i}")
            for i, ((text, label), article) in enumerate(
                zip(texts, articles.replace(" ", ""), strict=True), 1
            )
        )
    )
    try:
        use(data)
    except LabeledDataError as error:
        assert str(error).startswith("mine.jsonl:")  # noqa: PT017 - it may also do
