"""The folder of a run that is not finished: what it is doing, its lock, and its finished parts.

It stands beside the output, as `OUTPUT.unfinished`, and everything temporary is in it. A part is
there wholly or not at all. What a run did not finish, another one with the same state goes on with.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lanmu.rows import BulkError
from lanmu.whole_file import whole

if sys.platform != "win32":
    import fcntl

_STATE = "state.json"
_LOCK = "lock"


@contextmanager
def unfinished(output: Path, state: Mapping[str, Any], prefix: str) -> Iterator[Path]:
    """Go on with the run to `output` that has this state, or begin it; yield its folder.

    Files in the folder that don't begin with `prefix` are swept. When the block ends without an
    error the run is finished, and the folder goes; after an error it stays.

    Raises
    ------
    BulkError
        The folder is of a run with another state, or no run's, or a run to `output` is going on.
    """
    folder = output.with_name(f"{output.name}.unfinished")
    finished = output.with_name(f".{output.name}.lanmu-finished")
    folder.mkdir(exist_ok=True)
    with _locked(folder / _LOCK, output):
        _check_state(folder, state)
        for file in folder.iterdir():
            if file.name not in (_STATE, _LOCK) and not file.name.startswith(prefix):
                file.unlink(missing_ok=True)
        shutil.rmtree(finished, ignore_errors=True)
        yield folder
        folder.replace(finished)  # at once, so that no process that was left writes into it
        shutil.rmtree(finished)


def _check_state(folder: Path, state: Mapping[str, Any]) -> None:
    file = folder / _STATE
    if not file.exists():
        for other in folder.iterdir():
            if other.name != _LOCK and not other.name.startswith("."):
                raise BulkError(f"{other}: is of no run of lanmu; move {folder} elsewhere")
        with whole(file) as out:
            out.write(json.dumps(state, indent=1).encode())
        return
    begun = json.loads(file.read_bytes())
    for name, value in json.loads(json.dumps(state)).items():
        if begun.get(name) != value:
            raise BulkError(
                f"{folder}: was begun with another {name} "
                f"({_difference(begun.get(name), value)}); go on with the first, "
                "or delete that folder to begin anew"
            )


def _difference(begun: Any, now: Any) -> str:
    """Return the first difference of two values."""
    if isinstance(begun, dict) and isinstance(now, dict):
        names = [name for name in {**begun, **now} if begun.get(name) != now.get(name)]
        return f"{names[0]}: {_difference(begun.get(names[0]), now.get(names[0]))}"
    return f"{begun!s:.60}, now {now!s:.60}"


@contextmanager
def _locked(file: Path, output: Path) -> Iterator[None]:
    """Hold a file locked; where there is no flock, as on Windows, do nothing."""
    if sys.platform == "win32":
        yield
        return
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not file.exists() or file.stat().st_ino != os.fstat(lock.fileno()).st_ino:
                raise BlockingIOError  # the other run has just finished, and its folder is gone
        except BlockingIOError:
            raise BulkError(f"{output}: another run is writing it; wait until it ends") from None
        yield
