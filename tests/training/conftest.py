"""What the tests of the commands that train and judge share."""

import sys

import pytest

from lanmu.cli import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `lanmu` and return its exit status, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lanmu", *map(str, arguments)])
        try:
            main()
        except SystemExit as left:
            return left.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run
