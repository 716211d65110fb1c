"""Scores are those of scikit-learn, and cross-validation tests on nothing it trained on."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lanmu import TopicModel
from lanmu_training import Example, LabeledData, LabeledDataError, TopicClassifier, evaluate, train
from lanmu_training.evaluate import (
    NO_LABEL,
    Bin,
    calibration_error,
    cross_validated,
    predicted_by,
    reliability,
    score,
)
from lanmu_training.leakage import groups

WORDS = {
    "heating": ["暖气", "换热站", "锅炉房", "供热管网"],  # radiators, heat station, boilers, pipes
    "ecology": ["湿地", "候鸟", "林场", "河水"],  # wetland, birds, tree farm, river water
    "welfare": ["低保", "养老院", "护理员", "残疾人"],  # allowance, old people's home, carers
}
PLACES = ["天津", "北京", "上海", "武汉", "兰州"]  # cities
NEWS = ["昨日有了消息", "今年投入资金", "记者前往采访"]  # there is news, money, a reporter goes


def made_data():
    """60 paragraphs of three labels, two an article, and a near-copy in each of two articles."""
    made = []
    for i, (label, place, k) in enumerate(itertools.product(WORDS, PLACES, range(4))):
        words = WORDS[label]
        text = f"{place}{words[k]}{NEWS[i % 3]}，{words[(k + i % 3) % 4]}{NEWS[(i + k) % 3]}"
        made.append(Example(text, label, f"{place}{label}{k // 2}", source=f"f:{i}"))
    for i in (0, 20):
        copied = made[i]
        copy = Example(f"{copied.text}。", copied.label, f"copy of {i}", source=f"g:{i}")
        made += [copy, Example(f"另一段：{i}{i}{i}", copied.label, f"copy of {i}", source=f"h:{i}")]
    return LabeledData(tuple(made))


DATA = made_data()
SLOPPY = [  # one answer in ten is wrong
    "welfare" if i % 10 == 3 else label for i, label in enumerate(DATA.labels)
]


# score


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "d", NO_LABEL])),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([list, np.array, lambda labels: np.array(labels, dtype=object)]),
)
def test_scores_are_those_of_scikit_learn(pairs, kind):
    truth, predicted = (list(labels) for labels in zip(*pairs, strict=True))
    report = score(kind(truth), kind(predicted), np.arange(len(pairs)))
    labels = sorted(set(truth))
    assert [scored.label for scored in report.labels] == labels
    assert set(report.answers) == set(truth) | set(predicted)
    assert list(report.answers[: len(labels)]) == labels
    expected = metrics.precision_recall_fscore_support(
        truth, predicted, labels=labels, zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [getattr(s, name) for s in report.labels] == pytest.approx(values.tolist())
    assert report.macro_f1 == pytest.approx(expected[2].mean())
    assert report.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert report.majority_accuracy == max(map(truth.count, labels)) / len(truth)
    confusion = metrics.confusion_matrix(truth, predicted, labels=report.answers)
    assert np.array_equal(report.confusion, confusion[: len(labels)])


def test_the_interval_is_around_the_figure_and_the_same_each_time():
    report = score(DATA.labels, SLOPPY, groups(DATA))
    low, high = report.macro_f1_interval
    assert 0 < low < report.macro_f1 < high < 1
    assert score(DATA.labels, SLOPPY, groups(DATA)) == report


def test_the_interval_covers_19_in_20_samples():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(40):  # half of the answers are right, so that the true macro-F1 is 0.5
        truth = rng.choice(["a", "b"], 150)
        predicted = np.where(rng.random(150) < 0.5, truth, np.where(truth == "a", "b", "a"))
        low, high = score(truth, predicted, np.arange(150)).macro_f1_interval
        covered += low <= 0.5 <= high
    assert covered >= 34


def test_the_interval_is_wider_where_paragraphs_stand_and_fall_by_groups():
    truth = ["a", "b"] * 60
    predicted = ["b" if i // 6 % 5 == 0 else label for i, label in enumerate(truth)]

    def width(group):
        low, high = score(truth, predicted, np.array(group)).macro_f1_interval
        return high - low

    assert width([i // 6 for i in range(120)]) > 1.5 * width(range(120))


def test_group_numbers_are_names_alone():
    by_hundreds = [100 * number + 7 for number in groups(DATA)]
    report = score(DATA.labels, SLOPPY, groups(DATA))
    assert score(DATA.labels, SLOPPY, np.array(by_hundreds)) == report


def test_a_report_as_json_is_rounded_and_has_every_score():
    kept = score(["a", "a", "b"], ["a", "b", NO_LABEL], np.arange(3)).as_json()
    assert kept["labels"]["a"] == {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "support": 2}
    assert kept["labels"]["b"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert kept["macro_f1"] == kept["accuracy"] == 0.3333
    assert kept["majority_accuracy"] == 0.6667
    assert len(kept["macro_f1_interval"]) == 2


# a model on labelled data


@pytest.fixture(scope="module")
def model():
    return train(LabeledData(DATA.examples[:60]))


def test_a_model_is_judged_by_what_it_predicts(model):
    answers = [label or NO_LABEL for label in model.predict(DATA.texts)]
    report = evaluate(DATA, model)
    assert report == score(DATA.labels, answers, groups(DATA))
    assert report.accuracy == pytest.approx(metrics.accuracy_score(DATA.labels, answers))


def test_a_text_without_an_answer_counts_as_wrong(model):
    unknown = Example("xyz", "welfare", source="f:99")
    report = evaluate(LabeledData((*DATA.examples[:60], unknown)), model)
    assert report.answers == ("ecology", "heating", "welfare", NO_LABEL)
    assert report.confusion[2][3] == 1


def test_a_label_that_the_model_lacks_is_refused_by_file_line_and_field(model):
    unknown = Example("税务局上门服务", "tax", source="mine.jsonl:61")  # the tax office calls
    with pytest.raises(LabeledDataError) as caught:
        evaluate(LabeledData((*DATA.examples, unknown)), model)
    message = str(caught.value)
    assert message.startswith("mine.jsonl:61: field 'label' is 'tax'")
    assert "ecology, heating, welfare" in message
    assert "correct it or leave the row out" in message


def test_a_model_can_be_judged_on_fewer_labels_than_it_has(model):
    heating = LabeledData(DATA.examples[:20])
    assert [scored.label for scored in evaluate(heating, model).labels] == ["heating"]


def test_probabilities_stand_beside_their_labels(model):
    predictions = predicted_by(model, DATA)
    assert predictions.labels == model.labels
    known = [answer.probability is not None for answer in model.label(DATA.texts)]
    expected = model.predict_proba(DATA.texts) * np.array(known)[:, None]
    assert np.array_equal(predictions.probabilities, expected)
    assert list(predictions.truth) == DATA.labels


# cross-validation


@pytest.fixture(scope="module")
def predictions():
    return cross_validated(DATA)


def test_cross_validation_parts_no_article_and_no_near_copies(monkeypatch):
    trained_on, tested_on = [], []
    fit, predict = TopicClassifier.fit, TopicModel.predict

    def recorded_fit(self, texts, labels, groups=None):
        trained_on.append(list(texts))
        assert groups is not None  # nor does calibration part any
        assert [group_of[text] for text in texts] == list(groups)
        return fit(self, texts, labels, groups)

    def recorded_predict(self, texts):
        tested_on.append(list(texts))
        return predict(self, texts)

    group_of = dict(zip(DATA.texts, groups(DATA).tolist(), strict=True))
    monkeypatch.setattr(TopicClassifier, "fit", recorded_fit)
    monkeypatch.setattr(TopicModel, "predict", recorded_predict)
    evaluate(DATA)
    assert len(trained_on) == len(tested_on) == 5
    assert sorted(itertools.chain.from_iterable(tested_on)) == sorted(DATA.texts)
    for trained, tested in zip(trained_on, tested_on, strict=True):
        assert sorted(trained + tested) == sorted(DATA.texts)
        assert not {group_of[text] for text in trained} & {group_of[text] for text in tested}


def test_cross_validation_is_the_same_each_time_and_a_report_of_all_paragraphs(predictions):
    report = evaluate(DATA)
    assert report == predictions.report()
    assert sum(scored.support for scored in report.labels) == len(DATA)
    assert report.accuracy > 0.9 > report.majority_accuracy


def test_settings_are_those_that_are_judged():
    blunt = evaluate(DATA, min_df=12, max_ngram=0)
    assert blunt.accuracy < evaluate(DATA).accuracy
    with pytest.raises(ValueError, match="C is -1"):
        evaluate(DATA, C=-1)


def test_data_that_cannot_be_trained_on_is_refused():
    with pytest.raises(LabeledDataError, match="two labels or more"):
        evaluate(LabeledData(DATA.examples[:20]))


def test_each_paragraph_is_read_by_the_model_of_its_fold(predictions):
    assert len(predictions.models) == 5
    for i, text in enumerate(DATA.texts):
        its_model = predictions.models[predictions.model_of[i]]
        assert its_model.predict([text]) == [predictions.predicted[i]]
        assert np.array_equal(its_model.predict_proba([text])[0], predictions.probabilities[i])


def test_progress_is_told_of_each_fold():
    told = []

    def progress(items, total, what):
        for item in items:
            told.append((total, what))
            yield item

    evaluate(DATA, progress=progress)
    assert told == [(5, "folds")] * 5


# how sure


def test_the_bins_of_reliability_hold_every_answer_once(predictions):
    bins = reliability(predictions)
    assert sum(counted.answers for counted in bins) == len(DATA)
    sure = predictions.probabilities.max(axis=1)
    right = predictions.predicted == predictions.truth
    for counted in bins:
        inside = (sure >= counted.low) & (sure < counted.high + (counted.high == 1))
        assert counted.answers == inside.sum() > 0
        assert counted.probability == pytest.approx(sure[inside].mean())
        assert counted.right == pytest.approx(right[inside].mean())


def test_the_calibration_error_weighs_bins_by_their_answers():
    assert calibration_error([Bin(0.5, 0.6, 1, 0.55, 0.15), Bin(0.9, 1.0, 3, 0.95, 1.0)]) == (
        pytest.approx((0.4 + 3 * 0.05) / 4)
    )
