"""A file that is there wholly or not at all, whatever befalls the process that writes it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole(path: Path, folder: Path | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file that takes its place at `path` when all is written, and is on disk.

    Until then it is in `folder`, or beside its place.
    """
    temporary = (folder or path.parent) / f".{os.urandom(8).hex()}"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself is on disk once the folder is
        opened = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
