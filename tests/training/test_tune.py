"""Tuning tries what can be trained on, keeps what is better, and gives the same each time."""

import importlib
import itertools
import json
import random

import pytest

from lanmu import load_model
from lanmu_training import (
    Example,
    LabeledData,
    LabeledDataError,
    TopicClassifier,
    train,
    tune,
)
from lanmu_training.tune import CHOICES

tuning = importlib.import_module("lanmu_training.tune")  # the package has a function of this name

HEATING = ["暖气", "换热站", "锅炉房", "供热管网"]  # radiators, heat station, boilers, pipes
ECOLOGY = ["湿地", "候鸟", "林场", "河水"]  # wetland, birds, tree farm, river water
PLACES = ["天津", "北京", "上海", "武汉", "兰州", "大连"]  # cities


def made_data():
    """30 paragraphs of two labels, a word of the other one in most of them."""
    rng = random.Random(0)
    made = []
    for words, label, n in ((HEATING, "heating", 18), (ECOLOGY, "ecology", 12)):
        for i in range(n):
            said = [*rng.sample(words, 2), rng.choice(HEATING + ECOLOGY)]
            text = f"{PLACES[i % 6]}{'，'.join(said)}{rng.randrange(100)}"
            made.append(Example(text, label, source=f"f:{len(made)}"))
    return LabeledData(tuple(made))


DATA = made_data()
FEW = {"C": (1e-9, 0.3), "ratio_weight": (0.0, 0.3), "max_ngram": (1, 2)}
DEFAULTS = {name: TopicClassifier().get_params()[name] for name in CHOICES}


@pytest.fixture
def few_choices(monkeypatch):
    monkeypatch.setattr(tuning, "CHOICES", FEW)


class Recorder:
    """Progress that keeps what it was told and the trials in the order they were made."""

    def __call__(self, items, total, what):
        self.total, self.what, self.trials = total, what, []
        for item in items:
            self.trials.append(item)
            yield item


def told(trials):
    return [(trial.settings, trial.macro_f1) for trial in trials]


@pytest.mark.usefixtures("few_choices")
def test_the_same_data_give_the_same_trials():
    assert told(tune(DATA)) == told(tune(DATA))


@pytest.mark.parametrize("minutes", [0, -1])
def test_in_no_time_the_defaults_alone_are_tried(minutes):
    (trial,) = tune(DATA, minutes=minutes)
    assert trial.settings == DEFAULTS
    assert trial.seconds > 0


@pytest.mark.usefixtures("few_choices")
def test_every_choice_is_tried_once_and_the_best_comes_first():
    recorder = Recorder()
    trials = tune(DATA, progress=recorder)
    assert (recorder.total, recorder.what) == (4, "trials")
    assert sorted(map(id, trials)) == sorted(map(id, recorder.trials))
    assert len(trials) == 4
    figures = [trial.macro_f1 for trial in trials]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] < figures[0]


@pytest.mark.usefixtures("few_choices")
def test_each_trial_changes_one_setting_of_the_best_before_it():
    recorder = Recorder()
    tune(DATA, progress=recorder)
    best, *others = recorder.trials
    assert best.settings == {name: DEFAULTS[name] for name in FEW}
    for trial in others:
        changed = [name for name in FEW if trial.settings[name] != best.settings[name]]
        assert len(changed) == 1
        assert trial.settings[changed[0]] in FEW[changed[0]]
        if trial.macro_f1 > best.macro_f1:
            best = trial
    assert recorder.trials[0] is not best  # so that this is a test


def test_where_nothing_is_better_the_defaults_come_first(monkeypatch):
    monkeypatch.setattr(tuning, "CHOICES", {"C": (0.3, 0.300001)})
    first, second = tune(DATA)
    assert first.macro_f1 == second.macro_f1
    assert first.settings == {"C": 0.3}


def test_the_first_of_the_choices_are_tried_where_time_runs_out(monkeypatch):
    clock = itertools.count(step=20)  # each look at the clock finds that 20 seconds have passed
    monkeypatch.setattr(tuning.time, "monotonic", lambda: next(clock))
    recorder = Recorder()
    tune(DATA, minutes=2, progress=recorder)
    assert 1 < len(recorder.trials) <= 3
    assert recorder.trials[1].settings == {**DEFAULTS, "C": CHOICES["C"][1]}
    assert {trial.seconds for trial in recorder.trials} == {20}


def test_a_trial_is_judged_on_paragraphs_that_were_held_out():
    # nonsense that tells nothing of its label, each with a near-copy of the same one
    rng = random.Random(0)
    made = []
    for i in range(20):
        text = "".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(30))
        made += [Example(text, "ab"[i % 2], source=f"f:{i}")]
        made += [Example(text[1:], "ab"[i % 2], source=f"g:{i}")]
    (trial,) = tune(LabeledData(tuple(made)), minutes=0)
    assert trial.macro_f1 < 0.8


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in CHOICES for value in CHOICES[name]]
)
def test_every_choice_is_a_setting_that_can_be_trained_with(name, value):
    TopicClassifier(**{name: value}).fit(DATA.texts, DATA.labels)


def test_the_defaults_are_among_the_choices():
    assert all(DEFAULTS[name] in values for name, values in CHOICES.items())


def test_data_that_cannot_be_trained_on_is_refused():
    with pytest.raises(LabeledDataError, match="two labels or more"):
        tune(LabeledData(DATA.examples[:5]))


def test_tune_judges_as_train_does():
    (trial,) = tune(DATA, minutes=0)
    assert round(trial.macro_f1, 4) == train(DATA).card["held_out"]["macro_f1"]


# the commands


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "mine.jsonl"
    rows = [json.dumps({"text": example.text, "label": example.label}) for example in DATA]
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


@pytest.mark.usefixtures("few_choices")
def test_what_tune_writes_train_reads(run, data, tmp_path):
    found = tmp_path / "settings.json"
    status, out, err = run("tune", data, "-o", found, "--format", "jsonl")
    assert (status, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    kept = json.loads(found.read_text(encoding="utf-8"))
    assert kept["trials"] == rows
    assert len(rows) == 4
    assert kept["settings"] == {name: rows[0][name] for name in FEW}
    assert rows[0]["macro_f1"] == max(row["macro_f1"] for row in rows)
    output = tmp_path / "mine.lanmu"
    assert run("train", data, "--settings", found, "-o", output)[0] == 0
    settings = load_model(output).card["settings"]
    assert {name: settings[name] for name in FEW} == kept["settings"]


def test_train_takes_the_settings_of_a_file_and_not_the_defaults(run, data, tmp_path):
    file = tmp_path / "settings.json"
    chosen = {"C": 2.0, "max_ngram": 1, "min_df": 2, "class_weight": "balanced"}
    file.write_text(json.dumps({"settings": chosen}), encoding="utf-8")
    run("train", data, "--settings", file, "-o", tmp_path / "mine.lanmu")
    card = load_model(tmp_path / "mine.lanmu").card
    assert {name: card["settings"][name] for name in chosen} == chosen
    assert card["held_out"] != train(DATA).card["held_out"]


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "[1, 2]",
        "{}",
        '{"C": 2.0}',
        '{"settings": null}',
        '{"settings": [1, 2]}',
        '{"settings": {"degree": 3}}',
        '{"settings": {"about": {}}}',
        '{"settings": {"C": "much"}}',
        '{"settings": {"C": -1}}',
        '{"settings": {"C": NaN}}',
        '{"settings": {"ngram_weight": Infinity}}',
        '{"settings": {"max_ngram": 1.0}}',
        '{"settings": {"min_df": 1000}}',
        '{"settings": {"class_weight": {"heating": 2}}}',
        '{"settings": {"user_words": [1]}}',
    ],
)
def test_a_bad_settings_file_is_told_in_one_line_and_nothing_written(content, run, data, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(content, encoding="utf-8")
    status, out, err = run("train", data, "--settings", file, "-o", tmp_path / "mine.lanmu")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert str(file) in err
    assert not (tmp_path / "mine.lanmu").exists()


def test_a_settings_file_that_is_not_text_or_not_there_is_told_in_one_line(run, data, tmp_path):
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("binary.json", "none.json"):
        status, out, err = run(
            "train", data, "--settings", tmp_path / name, "-o", tmp_path / "mine.lanmu"
        )
        assert (status, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert name in err


def test_a_folder_that_is_not_there_is_told_before_anything_is_tried(run, data, monkeypatch):
    package = importlib.import_module("lanmu_training")
    monkeypatch.setattr(package, "tune", lambda *_, **__: pytest.fail("minutes were lost"))
    output = data.parent / "none" / "settings.json"
    status, out, err = run("tune", data, "-o", output)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert str(output) in err
