"""A file takes its place once it is whole and on disk."""

import os
from contextlib import suppress

import pytest

from lanmu.whole_file import whole


class PowerCutError(Exception):
    pass


def test_a_file_is_there_wholly_or_not_at_all(tmp_path):
    file = tmp_path / "part"
    with suppress(PowerCutError), whole(file) as out:
        out.write(b"half")
        raise PowerCutError
    assert list(tmp_path.iterdir()) == []
    with whole(file) as out:
        out.write(b"all")
        assert not file.exists()
    assert file.read_bytes() == b"all"
    with suppress(PowerCutError), whole(file) as out:
        out.write(b"half")
        raise PowerCutError
    assert file.read_bytes() == b"all"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_on_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    file, steps = tmp_path / "part", []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(file.exists()), fsync(fd)))
    with whole(file) as out:
        out.write(b"all")
    assert steps == [False, True]  # the file, then the folder with its name


@pytest.mark.skipif(os.name != "posix", reason="there is no umask")
def test_who_may_read_a_file_is_as_the_umask_says(tmp_path):
    before = os.umask(0o077)
    try:
        with whole(tmp_path / "letters") as out:
            out.write(b"dear all")
    finally:
        os.umask(before)
    assert (tmp_path / "letters").stat().st_mode & 0o777 == 0o600


def test_the_temporary_file_can_be_elsewhere(tmp_path):
    (tmp_path / "folder").mkdir()
    with whole(tmp_path / "file", tmp_path / "folder"):
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (tmp_path / "file").exists()
