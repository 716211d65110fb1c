"""TopicClassifier is an honest scikit-learn classifier of texts."""

import copy
import pickle
import re
import traceback
from dataclasses import asdict

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data

from lanmu import TopicModel, load_model
from lanmu_training import TopicClassifier

WORDS = {
    "heating": ["暖气", "换热站", "锅炉房", "供热管网"],  # radiators, heat station, boilers, pipes
    "ecology": ["湿地", "候鸟", "林场", "河水"],  # wetland, birds, tree farm, river water
    "welfare": ["低保", "养老院", "护理员", "残疾人"],  # allowance, old people's home, carers
}
FRAMES = ["{}昨日有了消息", "市里今年为{}投入资金", "记者来到{}采访"]  # news, money, a reporter
TEXTS = [frame.format(word) for words in WORDS.values() for word in words for frame in FRAMES]
LABELS = [label for label in WORDS for _ in range(12)]
TWO_TEXTS, TWO_LABELS = TEXTS[:24], LABELS[:24]
NEW = ["暖气和锅炉房", "林场里的候鸟", "养老院的护理员", "换热站"]
NEW_LABELS = ["heating", "ecology", "welfare", "heating"]


@pytest.fixture(scope="module")
def fitted():
    return TopicClassifier().fit(TEXTS, LABELS)


# scikit-learn's own checks

REFUSED = "fits rows of numbers; an estimator of texts refuses them with a TypeError"
ANOTHER_ERROR = "wants another fault of its input named, but its numbers are refused before that"
NOT_ITERABLE = "gives X as an object that can only be made an array; texts are an iterable"
BALANCED_ALONE = "gives each class a weight of its own; class_weight is None or 'balanced'"
SHOWS = {NOT_ITERABLE: "not iterable", BALANCED_ALONE: "None or 'balanced'"}  # else "be a str"
EXPECTED_FAILURES = {
    "check_classifiers_classes": REFUSED,
    "check_decision_proba_consistency": REFUSED,
    "check_dict_unchanged": REFUSED,
    "check_dont_overwrite_parameters": REFUSED,
    "check_dtype_object": REFUSED,
    "check_estimators_dtypes": REFUSED,
    "check_estimators_fit_returns_self": REFUSED,
    "check_estimators_overwrite_params": REFUSED,
    "check_estimators_pickle": REFUSED,
    "check_f_contiguous_array_estimator": REFUSED,
    "check_fit2d_1feature": REFUSED,
    "check_fit2d_predict1d": REFUSED,
    "check_fit_check_is_fitted": REFUSED,
    "check_fit_idempotent": REFUSED,
    "check_fit_score_takes_y": REFUSED,
    "check_methods_sample_order_invariance": REFUSED,
    "check_methods_subset_invariance": REFUSED,
    "check_n_features_in": REFUSED,
    "check_n_features_in_after_fitting": REFUSED,
    "check_pipeline_consistency": REFUSED,
    "check_positive_only_tag_during_fit": REFUSED,
    "check_readonly_memmap_input": REFUSED,
    "check_supervised_y_2d": REFUSED,
    "check_classifiers_one_label": ANOTHER_ERROR,  # one class alone
    "check_classifiers_regression_target": ANOTHER_ERROR,  # a continuous target
    "check_classifiers_train": ANOTHER_ERROR,  # X and y of different lengths
    "check_complex_data": ANOTHER_ERROR,
    "check_estimators_empty_data_messages": ANOTHER_ERROR,
    "check_estimators_nan_inf": ANOTHER_ERROR,
    "check_fit1d": ANOTHER_ERROR,
    "check_fit2d_1sample": ANOTHER_ERROR,
    "check_requires_y_none": ANOTHER_ERROR,
    "check_supervised_y_no_nan": ANOTHER_ERROR,
    "check_classifier_data_not_an_array": NOT_ITERABLE,
    "check_class_weight_classifiers": BALANCED_ALONE,
}


class GivenNumbers(TopicClassifier):
    """Says that it takes rows of numbers, so that scikit-learn runs all its checks on it."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        return tags


class OfNumbers(GivenNumbers):
    """Takes rows of numbers and writes each as a text: the numbers' columns and sizes as words."""

    def fit(self, X, y):
        X, y = validate_data(self, X, y)
        return super().fit(as_texts(X), y)

    def decision_function(self, X):
        return super().decision_function(self.read(X))

    def predict_proba(self, X):
        return super().predict_proba(self.read(X))

    def predict(self, X):
        return super().predict(self.read(X))

    def read(self, X):
        check_is_fitted(self)
        is_read = isinstance(X, list) and isinstance(X[0], str)
        return X if is_read else as_texts(validate_data(self, X, reset=False))


def as_texts(rows):
    """Write 2.3 in column b as "ba bb bc bd be bf bg bh": a word for each whole number up to it."""
    sizes = np.clip(np.floor(rows) + 5, 0, 9).astype(int)
    return [
        " ".join(chr(97 + j) + chr(97 + k) for j, size in enumerate(row) for k in range(size + 1))
        for row in sizes.tolist()
    ]


def outcomes(estimator, **how):
    return check_estimator(estimator, on_fail=None, on_skip=None, **how)


def shown(exception):
    return "".join(traceback.format_exception(exception))


def test_scikit_learn_accepts_it_as_an_estimator_of_texts():
    with pytest.warns(SkipTestWarning, match="requires input"):  # it has no checks for texts
        assert {check["status"] for check in check_estimator(TopicClassifier())} == {"passed"}


def test_scikit_learns_checks_fail_for_the_listed_reasons_alone():
    checks = outcomes(GivenNumbers(), expected_failed_checks=EXPECTED_FAILURES)
    failed = {c["check_name"]: shown(c["exception"]) for c in checks if c["status"] == "failed"}
    assert failed == {}
    listed = [c for c in checks if c["expected_to_fail"]]
    assert {c["check_name"] for c in listed} == set(EXPECTED_FAILURES)
    assert [c["check_name"] for c in listed if c["status"] == "passed"] == []
    for check in listed:
        shows = SHOWS.get(check["expected_to_fail_reason"], "be a str")
        assert shows in shown(check["exception"]), check["check_name"]


def test_scikit_learns_checks_pass_once_their_numbers_are_written_as_texts():
    expected = {"check_class_weight_classifiers": BALANCED_ALONE}
    checks = outcomes(OfNumbers(), expected_failed_checks=expected)
    failed = [c for c in checks if c["status"] == "failed"]
    assert {c["check_name"]: shown(c["exception"]) for c in failed} == {}
    assert [c["check_name"] for c in checks if c["status"] == "xfail"] == list(expected)


def test_the_tags_say_that_it_takes_texts_alone():
    tags = get_tags(TopicClassifier())
    takes = {name for name, value in asdict(tags.input_tags).items() if value}
    assert takes == {"one_d_array", "string"}
    assert tags.estimator_type == "classifier"
    assert tags.target_tags.required
    assert tags.requires_fit
    assert not tags.non_deterministic


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.array(TEXTS)[:, None], r"X\[0\] must be a str, not ndarray"),
        (sparse.csr_array(np.eye(36)), "X is a sparse matrix"),
        (sparse.csr_matrix(np.eye(36)), "X is a sparse matrix"),
        ("暖气", "X is one str; give an iterable of str"),
        ([*TEXTS[:-1], None], r"X\[35\] must be a str, not NoneType"),
        ([*TEXTS[:-1], float("nan")], r"X\[35\] must be a str, not float"),
        ([text.encode() for text in TEXTS], r"X\[0\] must be a str, not bytes"),
    ],
    ids=["2-D", "sparse array", "sparse matrix", "one str", "None", "NaN", "bytes"],
)
def test_what_is_no_texts_is_refused(X, said, fitted):
    with pytest.raises(TypeError, match=said):
        TopicClassifier().fit(X, LABELS)
    for method in (fitted.predict, fitted.predict_proba, fitted.decision_function):
        with pytest.raises(TypeError, match=said):
            method(X)


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array], ids=lambda kind: kind.__name__)
def test_texts_come_in_any_iterable(kind, fitted):
    again = TopicClassifier().fit(kind(TEXTS), LABELS)
    assert again.predict(kind(NEW)).tolist() == fitted.predict(NEW).tolist() == NEW_LABELS


# labels


@pytest.mark.parametrize(
    ("y", "error", "said"),
    [
        (LABELS[:-1], ValueError, "36 texts, but 35 labels"),
        (["heating"] * 36, ValueError, "one label, heating"),
        ([*LABELS[:-1], "tax"], ValueError, "the label tax has one text"),
        (np.linspace(0, 1, 36), ValueError, "continuous"),
        (np.ones((36, 2)), ValueError, "1d array"),
        (None, ValueError, "y should be a 1d array"),
        ([], ValueError, "36 texts, but 0 labels"),
    ],
    ids=["too few", "one class", "one text", "continuous", "2-D", "None", "empty"],
)
def test_labels_that_cannot_be_learnt_are_refused(y, error, said):
    with pytest.raises(error, match=said):
        TopicClassifier().fit(TEXTS, y)


def test_no_texts_are_refused():
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        TopicClassifier().fit([], [])


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda y: np.array(y, dtype=object)])
def test_labels_come_in_any_array(kind):
    y = kind(LABELS)
    predicted = TopicClassifier().fit(TEXTS, y).predict(NEW)
    assert predicted.tolist() == NEW_LABELS
    assert predicted.dtype == np.asarray(y).dtype


NUMBERS = {"heating": 100, "ecology": 9, "welfare": 10}  # as strings they have another order


def test_integer_labels_come_back_as_integers():
    y = [NUMBERS[label] for label in LABELS]
    trained = TopicClassifier().fit(TEXTS, y)
    model = trained.to_model()
    assert trained.classes_.tolist() == [9, 10, 100]
    assert trained.predict(NEW).tolist() == [NUMBERS[label] for label in NEW_LABELS]
    assert model.labels == ("10", "100", "9")
    assert model.predict(NEW) == [str(NUMBERS[label]) for label in NEW_LABELS]
    in_order = [2, 0, 1]
    assert np.array_equal(trained.predict_proba(NEW), model.predict_proba(NEW)[:, in_order])
    assert np.array_equal(trained.decision_function(NEW), model.decision_function(NEW)[:, in_order])
    held_out = trained.classes_[trained.held_out_scores_.argmax(axis=1)]
    assert (held_out == y).mean() > 0.6


def test_booleans_are_labels():
    is_heating = TopicClassifier().fit(TEXTS, [label == "heating" for label in LABELS])
    assert is_heating.predict(NEW).tolist() == [True, False, False, True]


def test_classes_are_in_order_and_methods_have_their_shapes(fitted):
    assert fitted.classes_.tolist() == ["ecology", "heating", "welfare"]
    assert fitted.decision_function(NEW).shape == (4, 3)
    assert fitted.predict_proba(NEW).shape == (4, 3)
    assert fitted.held_out_scores_.shape == (36, 3)
    assert np.allclose(fitted.predict_proba(NEW).sum(axis=1), 1)
    assert fitted.score(NEW, NEW_LABELS) == 1


def test_with_two_classes_the_decision_is_one_number_above_zero_for_the_second():
    two = TopicClassifier().fit(TWO_TEXTS, TWO_LABELS)
    decision = two.decision_function(TWO_TEXTS)
    assert decision.shape == (24,)
    assert two.predict_proba(TWO_TEXTS).shape == (24, 2)
    assert np.array_equal(two.classes_[(decision > 0).astype(int)], two.predict(TWO_TEXTS))
    assert two.predict(TWO_TEXTS).tolist() == TWO_LABELS


# settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_ngram", 4),
        ("max_ngram", -1),
        ("max_ngram", 1.5),
        ("max_ngram", 2.0),
        ("max_ngram", "2"),
        ("max_ngram", None),
        ("min_df", 0),
        ("min_df", 0.5),
        ("C", 0),
        ("C", -1.0),
        ("C", float("nan")),
        ("C", float("inf")),
        ("C", "1"),
        ("ratio_weight", -0.1),
        ("ratio_weight", 1.1),
        ("ratio_weight", float("nan")),
        ("ratio_weight", "all"),
        ("ngram_weight", 0),
        ("ngram_weight", float("nan")),
        ("ngram_weight", float("inf")),
        ("class_weight", "even"),
        ("precision", 0),
        ("precision", 1.5),
        ("precision", "high"),
        ("user_words", "供热"),  # one str, whose characters would be words
        ("user_words", None),
    ],
)
def test_bad_settings_are_refused_by_name_and_value_when_it_is_fitted(name, value):
    unfitted = TopicClassifier(**{name: value})  # not before
    with pytest.raises((TypeError, ValueError), match=re.escape(f"{name} is {value!r}; it must")):
        unfitted.fit(TEXTS, LABELS)


@pytest.mark.parametrize("word", [7, None, "", "供 热", "\n", "\ud800"], ids=repr)
def test_words_that_no_text_or_file_can_hold_are_refused(word):
    with pytest.raises((TypeError, ValueError), match="user_words"):
        TopicClassifier(user_words=["供热管网", word]).fit(TEXTS, LABELS)


def test_features_rarer_than_any_are_refused_in_words():
    with pytest.raises(ValueError, match="in min_df=37 texts or more"):
        TopicClassifier(min_df=37).fit(TEXTS, LABELS)


def test_whole_numbers_of_numpy_are_whole_numbers():
    settings = {"max_ngram": np.int64(1), "min_df": np.int32(1), "C": np.float32(1)}
    trained = TopicClassifier(**settings).fit(TEXTS, LABELS)
    assert trained.predict(NEW).tolist() == NEW_LABELS


def test_settings_are_got_set_and_cloned():
    made = TopicClassifier(C=2.0, user_words=["供热管网"])
    assert made.get_params().items() >= {"C": 2.0, "user_words": ["供热管网"]}.items()
    assert made.set_params(max_ngram=1, min_df=2) is made
    again = clone(made.fit(TEXTS, LABELS))
    assert again.get_params() == made.get_params()
    assert not hasattr(again, "classes_")
    with pytest.raises(ValueError, match="Invalid parameter 'c'"):
        made.set_params(c=1)


def test_settings_reach_the_model():
    words_alone = TopicClassifier(max_ngram=0).fit(TEXTS, LABELS).to_model()
    assert len(words_alone.vocabulary.ngrams) == 0
    with_trigrams = TopicClassifier(max_ngram=3).fit(TEXTS, LABELS).to_model()
    assert with_trigrams.vocabulary.max_ngram == 3
    rare = [*TEXTS, "白鹭"]  # an egret, in one text
    often = TopicClassifier(min_df=2).fit(rare, [*LABELS, "ecology"]).to_model()
    assert often.document_frequencies.min() >= 2
    assert "白鹭" not in often.vocabulary.words
    own = TopicClassifier(user_words=["供热管网"]).fit(TEXTS, LABELS).to_model()
    assert own.user_words == ("供热管网",)
    assert "供热管网" in own.vocabulary.words  # the heating pipe network, in jieba two words


@pytest.mark.parametrize(
    "setting",
    [{"C": 6.0}, {"ratio_weight": 1.0}, {"ngram_weight": 0.3}, {"class_weight": "balanced"}],
    ids=str,
)
def test_settings_change_the_coefficients(setting, fitted):
    changed = TopicClassifier(**setting).fit(TEXTS, LABELS)
    assert not np.allclose(changed.to_model().coefficients, fitted.to_model().coefficients)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_before_fitting_it_says_that_it_is_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(TopicClassifier(), method)(NEW)
    with pytest.raises(NotFittedError):
        TopicClassifier().to_model()


# in scikit-learn's tools


def first_words(texts):
    return [text[:12] for text in texts]


def test_it_works_in_a_pipeline():
    pipeline = make_pipeline(FunctionTransformer(first_words), TopicClassifier())
    assert pipeline.fit(TEXTS, LABELS).predict(NEW).tolist() == NEW_LABELS
    assert clone(pipeline).set_params(topicclassifier__C=1.0).fit(TEXTS, LABELS)


def test_it_works_in_a_grid_search():
    grid = {"C": [1e-6, 1.0], "max_ngram": [1]}
    search = GridSearchCV(TopicClassifier(), grid, cv=2, error_score="raise")
    search.fit(TWO_TEXTS, TWO_LABELS)
    assert set(search.best_params_) == {"C", "max_ngram"}
    assert search.predict(NEW[:2]).tolist() == NEW_LABELS[:2]


@pytest.mark.parametrize("kind", [list, np.array])
def test_it_works_in_cross_validation_with_groups(kind):
    words = [i // 3 for i in range(36)]
    result = cross_validate(
        TopicClassifier(),
        kind(TEXTS),
        LABELS,
        groups=words,
        cv=GroupKFold(2),
        scoring=["accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"],
        error_score="raise",
    )
    assert all(np.isfinite(scores).all() for scores in result.values())
    probabilities = cross_val_predict(
        TopicClassifier(),
        kind(TEXTS),
        LABELS,
        groups=words,
        cv=GroupKFold(2),
        method="predict_proba",
    )
    assert probabilities.shape == (36, 3)


# the model


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.text("暖气换热站湿地候鸟养老院的了，ab ", max_size=12), min_size=1, max_size=8))
def test_the_model_answers_as_the_classifier_does(fitted, texts):
    model = fitted.to_model()
    probabilities = fitted.predict_proba(texts)
    assert np.array_equal(model.predict_proba(texts), probabilities)
    assert np.array_equal(model.decision_function(texts), fitted.decision_function(texts))
    for text, answer, row in zip(texts, fitted.predict(texts), probabilities, strict=True):
        if len(set(row)) > 1:  # else the model knows nothing of it, and says so
            assert model.predict([text]) == [answer]


def test_a_text_with_no_known_feature_is_other_for_model_and_classifier():
    labels = ["other" if label == "heating" else label for label in LABELS]
    with_other = TopicClassifier().fit(TEXTS, labels)
    assert with_other.to_model().predict(["xyz", ""]) == ["other", "other"]
    assert with_other.predict(["xyz", ""]).tolist() == ["other", "other"]


def test_every_saved_model_loads(fitted, tmp_path):
    model = fitted.to_model()
    assert isinstance(model, TopicModel)
    model.save(tmp_path / "mine.lanmu")
    loaded = load_model(tmp_path / "mine.lanmu")
    assert np.array_equal(loaded.decision_function(TEXTS), model.decision_function(TEXTS))


def test_it_can_be_pickled_and_copied(fitted):
    for again in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert np.array_equal(again.predict_proba(NEW), fitted.predict_proba(NEW))


def test_fitting_again_gives_the_same_to_the_last_bit(fitted):
    again = TopicClassifier().fit(TEXTS, LABELS).to_model()
    model = fitted.to_model()
    for name in ("coefficients", "intercepts", "thresholds"):
        assert np.array_equal(getattr(again, name), getattr(model, name))


def test_coefficients_are_of_the_precision_that_the_file_keeps(fitted):
    coefficients = fitted.to_model().coefficients
    assert coefficients.dtype == np.float32
    assert np.array_equal(coefficients, coefficients.astype(np.float16))


# what is held out


def probability(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def f1(answered, is_label):
    return 2 * (answered & is_label).sum() / (answered.sum() + is_label.sum())


SHIFTED = [NUMBERS[label] for label in [*TWO_LABELS[3:], *TWO_LABELS[:3]]]  # a quarter are wrong


def held_out_answers(trained, label):
    """Return the held-out probabilities of a label, its threshold, and whether it is the text's."""
    k = trained.classes_.tolist().index(label)
    model = trained.to_model()
    threshold = model.thresholds[model.labels.index(str(label))]
    assert 0 <= threshold <= 1
    return probability(trained.held_out_scores_[:, k]), threshold, np.array(SHIFTED) == label


@pytest.mark.parametrize("label", [9, 100])
def test_thresholds_are_those_of_the_best_f1_on_held_out_texts(label):
    trained = TopicClassifier().fit(TWO_TEXTS, SHIFTED)
    held_out, threshold, is_label = held_out_answers(trained, label)
    best = max(f1(held_out >= p, is_label) for p in held_out)
    assert f1(held_out >= threshold, is_label) == pytest.approx(best)


@pytest.mark.parametrize("label", [9, 100])
@pytest.mark.parametrize("precision", [0.6, 0.8])
def test_thresholds_are_the_lowest_that_reach_the_precision(label, precision):
    trained = TopicClassifier(precision=precision).fit(TWO_TEXTS, SHIFTED)
    held_out, threshold, is_label = held_out_answers(trained, label)
    reaching = [p for p in held_out if is_label[held_out >= p].mean() >= precision]
    if reaching:
        assert np.array_equal(held_out >= threshold, held_out >= min(reaching))
    else:
        assert threshold == 1


def test_text_about_something_else_gets_no_label_where_none_says_other(fitted):
    about_shares = [frame.format("股市") for frame in FRAMES]  # the stock market
    assert [labelled.label for labelled in fitted.to_model().label(about_shares)] == [None] * 3


def test_folds_fitted_in_two_processes_give_the_same_model(fitted):
    with joblib.parallel_config(backend="loky", n_jobs=2):
        model = TopicClassifier().fit(TEXTS, LABELS).to_model()
    assert model.coefficients.tobytes() == fitted.to_model().coefficients.tobytes()
    assert model.intercepts.tobytes() == fitted.to_model().intercepts.tobytes()
    assert model.thresholds.tobytes() == fitted.to_model().thresholds.tobytes()


KINDS = ["湿地", "暖气", "低保", "林场", "河水"]  # wetland, radiators, allowance, tree farm, river
MANY = [(word, frame) for word in KINDS for frame in FRAMES]


def test_of_very_many_texts_two_folds_and_some_novel_ones_are_enough():
    texts = [f"{frame.format(word)}{i}" for i in range(1400) for word, frame in MANY]
    labels = [word for _ in range(1400) for word, _ in MANY]
    classifier = TopicClassifier().fit(texts, labels)
    assert len(texts) > 20_000
    held_out = classifier.classes_[classifier.held_out_scores_.argmax(axis=1)]
    assert (held_out == labels).all()
    model = classifier.to_model()
    answers = model.label([frame.format("股市") for frame in FRAMES])  # the stock market
    assert [answer.label for answer in answers] == [None] * 3
    assert model.label(["记者来到湿地采访"])[0].label == "湿地"


NONSENSE = [chr(0x5000 + 3 * i) + chr(0x5001 + 3 * i) for i in range(40)]
TWINS = [word * times for word in NONSENSE for times in (2, 3)]
TWIN_LABELS = [label for i in range(40) for label in ["ab"[i * i % 7 % 2]] * 2]
PAIRS = [i // 2 for i in range(80)]


def held_out_accuracy(groups):
    trained = TopicClassifier().fit(TWINS, TWIN_LABELS, groups)
    answers = trained.classes_[trained.held_out_scores_.argmax(axis=1)]
    return (answers == TWIN_LABELS).mean()


def test_texts_of_one_group_are_held_out_together():
    assert held_out_accuracy(None) > 0.9  # each text's twin tells its label
    assert held_out_accuracy(PAIRS) < 0.75


def test_scores_rise_with_the_margins_even_where_held_out_texts_speak_against_them():
    trained = TopicClassifier().fit(TWINS, TWIN_LABELS, PAIRS)
    assert roc_auc_score(TWIN_LABELS, trained.decision_function(TWINS)) == 1


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="groups"):
        TopicClassifier().fit(TEXTS, LABELS, groups=[1, 2, 3])


@pytest.mark.parametrize("groups", [[0] * 36, [0] * 12 + list(range(1, 25))])
def test_a_label_whose_texts_are_all_of_one_group_is_refused(groups):
    with pytest.raises(ValueError, match="all of one group"):
        TopicClassifier().fit(TEXTS, LABELS, groups)
