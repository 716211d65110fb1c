"""The folder of an unfinished run: begun, gone on with, refused, swept and finished."""

import os
import subprocess
import sys
from contextlib import suppress

import pytest

from lanmu.rows import BulkError
from lanmu.unfinished import unfinished

STATE = {"model": "a1", "content": {"news.jsonl": "b2", "more.jsonl": "c3"}}


class PowerCutError(Exception):
    pass


@pytest.fixture
def output(tmp_path):
    return tmp_path / "labelled.jsonl"


def stop(output, state=STATE, prefix="a-", leave=()):
    """Begin a run, leave files in its folder, and stop."""
    with suppress(PowerCutError), unfinished(output, state, prefix) as folder:
        for name in leave:
            (folder / name).write_text(name, encoding="utf-8")
        raise PowerCutError
    return folder


def test_a_folder_stands_beside_the_output_until_the_run_ends(output):
    with unfinished(output, STATE, "a-") as folder:
        assert folder == output.with_name("labelled.jsonl.unfinished")
        assert {file.name for file in folder.iterdir()} == {"state.json", "lock"}
    assert list(output.parent.iterdir()) == []


def test_what_is_done_stays_and_the_rest_is_swept(output):
    folder = stop(output, leave=["a-1", "b-1", ".temporary"])
    with unfinished(output, STATE, "a-") as again:
        assert again == folder
        assert {file.name for file in folder.iterdir()} == {"state.json", "lock", "a-1"}
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({**STATE, "model": "a2"}, "another model (a1, now a2)"),
        (
            {**STATE, "content": {"news.jsonl": "b2", "more.jsonl": "c4"}},
            "another content (more.jsonl: c3, now c4)",
        ),
        (
            {**STATE, "content": {"news.jsonl": "b2"}},
            "another content (more.jsonl: c3, now None)",
        ),
    ],
)
def test_another_state_is_refused_and_nothing_is_lost(output, state, said):
    folder = stop(output, leave=["a-1"])
    with pytest.raises(BulkError) as caught, unfinished(output, state, "b-"):
        pytest.fail("it began")
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "delete that folder to begin anew" in str(caught.value)
    assert (folder / "a-1").exists()


def test_a_state_that_was_not_written_to_its_end_is_none(output):
    folder = stop(output)
    (folder / "state.json").rename(folder / ".temporary")
    with unfinished(output, {"model": "other"}, "a-"):
        assert not (folder / ".temporary").exists()


def test_a_folder_of_something_else_is_left_alone(output):
    folder = output.with_name("labelled.jsonl.unfinished")
    folder.mkdir()
    (folder / "letters.txt").write_text("dear all", encoding="utf-8")
    with pytest.raises(BulkError, match=r"letters\.txt: is of no run of lanmu; move .*unfinished"):
        stop(output)
    assert (folder / "letters.txt").read_text(encoding="utf-8") == "dear all"


@pytest.mark.skipif(sys.platform == "win32", reason="such names are no names on Windows")
def test_a_state_may_name_files_that_are_not_named_in_utf8(output):
    state = {"content": {os.fsdecode(b"\xd0\xc2.jsonl"): "b2"}}
    stop(output, state)
    with pytest.raises(BulkError, match="another content"):
        stop(output, {"content": {"x.jsonl": "b2"}})
    with unfinished(output, state, "a-"):
        pass


def test_a_folder_that_was_being_removed_is_swept(output):
    finished = output.with_name(".labelled.jsonl.lanmu-finished")
    finished.mkdir()
    (finished / "a-1").touch()
    with unfinished(output, STATE, "a-"):
        assert not finished.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock on Windows")
def test_two_runs_to_one_output_are_refused(output):
    with (
        unfinished(output, STATE, "a-"),
        pytest.raises(BulkError, match=r"labelled\.jsonl: another run is writing it"),
        unfinished(output, STATE, "a-"),
    ):
        pytest.fail("it began")
    with unfinished(output, STATE, "a-"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock on Windows")
def test_the_lock_of_a_killed_run_is_free(output):
    code = (
        "import os, sys; from pathlib import Path; from lanmu.unfinished import unfinished\n"
        f"with unfinished(Path(sys.argv[1]), {STATE!r}, 'a-'): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, output], check=False)
    assert done.returncode == -9
    assert output.with_name("labelled.jsonl.unfinished").exists()
    with unfinished(output, STATE, "a-"):
        pass
