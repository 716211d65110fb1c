"""Work tells how long it goes on, and whoever is told passes its items on as they come."""

from lanmu_training.progress import quiet
from lanmu_training.tune import Trial


def test_quiet_passes_on_what_comes_and_shows_nothing(capsys):
    made = [Trial({}, 0.5, 0.1), Trial({"C": 1.0}, 0.6, 0.1)]
    assert list(quiet(iter(made), 2, "trials")) == made
    assert list(quiet([], 0, "trials")) == []
    assert capsys.readouterr() == ("", "")


def test_quiet_waits_for_no_item_before_it_passes_on_the_first():
    def items():
        yield "first"
        raise AssertionError("the second was asked for")

    assert next(iter(quiet(items(), 2, "folds"))) == "first"
