"""How lanmu's models are made and judged."""

from lanmu_training.check import Check, Finding, check
from lanmu_training.classifier import TopicClassifier
from lanmu_training.evaluate import LabelScore, Report, evaluate
from lanmu_training.labeled_data import Example, LabeledData, LabeledDataError, read_labeled
from lanmu_training.report import FullReport, full_report, write_report
from lanmu_training.train import train
from lanmu_training.tune import Trial, tune

__all__ = [
    "Check",
    "Example",
    "Finding",
    "FullReport",
    "LabelScore",
    "LabeledData",
    "LabeledDataError",
    "Report",
    "TopicClassifier",
    "Trial",
    "check",
    "evaluate",
    "full_report",
    "read_labeled",
    "train",
    "tune",
    "write_report",
]
