"""Labelled paragraphs into a TopicModel that carries the scores it reached."""

from collections import Counter
from importlib.metadata import version
from typing import Any

from lanmu import TopicModel
from lanmu_training.classifier import TopicClassifier
from lanmu_training.evaluate import score
from lanmu_training.labeled_data import LabeledData, check_trainable
from lanmu_training.leakage import groups

_MADE_WITH = ("lanmu", "jieba", "numpy", "scikit-learn")


def train(data: LabeledData, *, about: dict[str, Any] | None = None, **settings: Any) -> TopicModel:
    """Train a model; the same data and settings give the same model to the last bit.

    Parameters
    ----------
    data
        Two labels or more, three examples of each or more.
    about
        What people should know of the model, such as its date, intended use and limits: any JSON
        object, which goes into its card as it is.
    settings
        Of `TopicClassifier`.

    Returns
    -------
    The model. Its card says what it was trained on and with, and how the labels of paragraphs were
    predicted that its machines had not seen: held out in five folds (two, of more than 20,000
    paragraphs) that part no article and no near-duplicates. Only Platt's two numbers a label were
    fitted on all folds.

    Raises
    ------
    LabeledDataError
        The data can't be trained on; the message names file, line and field.

    Examples
    --------
    >>> from lanmu_training import Example, LabeledData
    >>> data = LabeledData((
    ...     Example("暖气不热", "heating"), Example("换热站试水", "heating"),
    ...     Example("锅炉房停暖", "heating"), Example("湿地飞来候鸟", "ecology"),
    ...     Example("河水变清", "ecology"), Example("林场补种油松", "ecology")))
    >>> train(data).card["examples"]
    {'ecology': 3, 'heating': 3}
    """
    group = groups(data)
    check_trainable(data, group)
    classifier = TopicClassifier(**settings).fit(data.texts, data.labels, group)
    held_out = classifier.classes_[classifier.held_out_scores_.argmax(axis=1)]
    model = classifier.to_model()
    model.card.update(
        about=about or {},
        examples=dict(sorted(Counter(data.labels).items())),
        groups=len(set(group.tolist())),
        data_sha256=data.digest(),
        settings=classifier.get_params(),
        held_out=score(data.labels, held_out, group).as_json(),
        made_with={name: version(name) for name in _MADE_WITH},
    )
    return model
