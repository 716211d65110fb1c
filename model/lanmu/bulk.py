r"""Big files labelled: any number of rows in flat memory, by many processes, through any crash.

`label_files` surveys its inputs, cuts them into shards, labels each shard into a part of its own in
the folder `OUTPUT.unfinished`, and joins the parts into the output. A part is there wholly or not
at all; so a run that died, by whatever, is taken up by the same call, and gives the same bytes.
It refuses where an input, the model or a setting is another one than the run began with.

What can't be labelled goes to `OUTPUT.rejected.jsonl`, with file, line, byte offset and reason;
each row that is read is either labelled or rejected.
"""

import functools
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from lanmu import parquet
from lanmu.errors import LanmuError
from lanmu.model_file import SHIPPED, load_model
from lanmu.rows import BulkError, Layout, batches, excerpt
from lanmu.shards import SHARD_SIZE, Shard, Source, form_of, opened, packed, sources, survey
from lanmu.topic_model import LabelColumns, TopicModel
from lanmu.unfinished import unfinished
from lanmu.whole_file import whole

_ENCODINGS = {"utf-8": "utf-8", "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030"}


class UnfinishedRunError(LanmuError):
    """A run stopped before its end; the same call goes on with it once the cause is gone."""


@dataclass(frozen=True, slots=True)
class Job:
    """What labelling a shard takes besides the shard; small, and read from where it tells.

    `parts` is the beginning of the paths of the parts. `model` is a path, None the model that comes
    with lanmu; `model_digest` is the SHA-256 of the file.
    """

    parts: str
    model: str | None
    model_digest: str
    layout: Layout
    packing: str
    versions: tuple[str, ...]

    def part(self, shard: Shard, kind: str) -> Path:
        """Return the path of a part: "rows", or "rejected" where some were."""
        return Path(f"{self.parts}{shard.number:06}.{kind}")


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that is labelled: how many rows are, and how many were rejected."""

    shard: Shard
    labelled: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in rows and bytes; `rate` is bytes a second since it was last begun."""

    rows: int
    rejected: int
    bytes: int
    bytes_in_all: int
    rate: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the rows: `rows` = `labelled` + `rejected`."""

    rows: int
    labelled: int
    rejected: int


Spread = Callable[[Job, Sequence[Shard]], Iterable[Done]]
"""What calls `label_shard(job, shard)` for each shard, and gives what it returns in any order."""


def in_this_process(job: Job, shards: Sequence[Shard]) -> Iterator[Done]:
    """Label one shard after the other."""
    return (label_shard(job, shard) for shard in shards)


def label_files(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    model: str | Path | None = None,
    text_field: str = "text",
    encoding: str = "utf-8",
    spread: Spread = in_this_process,
    strict: bool = False,
    progress: Callable[[Progress], object] = lambda _: None,
    shard_size: int = SHARD_SIZE,
) -> Totals:
    r"""Label the rows of files into one output, or go on with that where it was left.

    Parameters
    ----------
    inputs
        Files of JSONL, CSV, TSV or Parquet, all of one form, and folders of them.
    output
        Its name ends as the inputs' do; packed where it ends with .gz or .zst. Rows come in the
        order of the inputs, with the fields label, probability and topics added.
    model
        The path of a model; the one that comes with lanmu if None.
    text_field
        The field or column to label.
    encoding
        Of JSONL, CSV and TSV, and of the output: UTF-8, GB18030 or what is part of that.
    spread
        How shards are spread over processes; see `lanmu.workers`.
    strict
        Stop at a row that would be rejected.
    progress
        Is called after each shard.
    shard_size
        How many bytes make a shard; a run is taken up with the size that it began with.

    Raises
    ------
    BulkError
        An input or a setting can't be used, a row is bad and `strict` is set, or an unfinished run
        to `output` began with something else.
    UnfinishedRunError
        The disk is full, for example, or a process was killed.
    OSError
        A file is not there or can't be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     news, labelled = Path(folder, "news.jsonl"), Path(folder, "labelled.jsonl")
    ...     _ = news.write_text('{"id": 7, "text": "换热站试水"}\n{"id": 8}\n', encoding="utf-8")
    ...     totals = label_files([news], labelled)
    ...     print(labelled.read_text(encoding="utf-8"), end="")
    {"id": 7, "text": "换热站试水", "label": "heating", "probability": ..., "topics": ["heating"]}
    >>> totals
    Totals(rows=2, labelled=1, rejected=1)
    """
    if isinstance(inputs, str | Path):
        raise TypeError(f"inputs must be an iterable of paths, not one: [{str(inputs)!r}]")
    inputs, output = list(inputs), Path(output).resolve()
    if not inputs:
        raise BulkError(f"there is nothing to label into {output}; name an input")
    form, packing = form_of(output)
    if encoding.lower() not in _ENCODINGS:
        raise BulkError(f"encoding {encoding!r} is none of {', '.join(_ENCODINGS)}")
    encoding = _ENCODINGS[encoding.lower()]
    found = sources(inputs, form)
    _check_output(output, inputs, found)
    model_path = Path(model or SHIPPED).resolve()
    model = None if model_path == SHIPPED.resolve() else str(model_path)
    model_digest = _digest(model_path)
    _model(model, model_digest)  # what is wrong with it is told now

    digests: dict[str, str] = {}
    shards: list[Shard] = []
    layouts: list[Layout] = []
    for source in found:
        if form == "parquet":
            surveyed = parquet.survey(source, text_field, len(shards))
        else:
            surveyed = survey(source, text_field, encoding, shard_size, len(shards))
        digests[source.file] = surveyed.digest
        shards += surveyed.shards
        layouts.append(surveyed.layout)
        if surveyed.layout.cells != layouts[0].cells:
            its, first = (", ".join(layout.cells) for layout in (surveyed.layout, layouts[0]))
            raise BulkError(
                f"{source.file}: has the columns {its:.300}, but {found[0].file} has {first:.300}"
            )
    settings = {"text field": text_field, "encoding": encoding, "shard size": shard_size}
    versions = _versions()
    state = {
        "list of inputs": list(digests),
        "content": digests,
        "model": model_digest,
        "version": versions[0],
        "setting": settings,
    }
    prefix = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16] + "-"
    with unfinished(output, state, prefix) as folder:
        job = Job(str(folder / prefix), model, model_digest, layouts[0], packing, versions)
        try:
            totals = _run(job, shards, spread, strict, progress)
            _join(job, shards, found[0], output, totals.rejected)
        except OSError as error:
            where = error.filename or output
            raise UnfinishedRunError(
                f"{where}: {error.strerror or error}; what is done is kept in {folder}, "
                "and the same command goes on from there"
            ) from error
    return totals


def label_shard(job: Job, shard: Shard) -> Done:
    """Label one shard into its parts: the same ones wherever and however often it runs."""
    check_versions(job)
    label = model_of(job).label_columns
    with (
        whole(job.part(shard, "rows")) as file,  # which is there last, and tells that all is done
        ExitStack() as until_then,
        packed(file, job.packing) as out,
    ):
        rejected, rejects = 0, None

        def reject(offset: int | None, line: int, reason: str, begins: str) -> None:
            nonlocal rejected, rejects
            if rejects is None:
                rejects = until_then.enter_context(whole(job.part(shard, "rejected")))
            rejected += 1
            record = {"file": shard.source.file, "line": line, "offset": offset, "reason": reason}
            as_json = json.dumps(record | {"excerpt": begins}, ensure_ascii=False)
            rejects.write(as_json.encode("utf-8", "replace") + b"\n")

        if job.layout.form == "parquet":
            text_field = job.layout.text_field
            labelled = parquet.label_row_group(shard, text_field, label, reject, out)
        else:
            labelled = _label_rows(shard, job.layout, label, reject, out)
        shard.source.check_unchanged()
        if labelled + rejected != shard.n_rows:
            raise BulkError(f"{shard.source.file}: has other rows than at first; begin anew")
    return Done(shard, labelled, rejected)


def _label_rows(
    shard: Shard,
    layout: Layout,
    label: Callable[[list[str]], LabelColumns],
    reject: Callable[[int, int, str, str], None],
    out: BinaryIO,
) -> int:
    labelled = 0
    with opened(shard) as stream:
        end = shard.start + shard.size
        for batch in batches(stream, layout.form, shard.start, shard.line, end):
            rows, texts, bad = layout.read(batch)
            for row, why in bad:
                reject(row.offset, row.line, str(why), excerpt(row.data, layout.encoding))
            out.write(layout.labelled(rows, label(texts)))
            labelled += len(rows)
    return labelled


def model_of(job: Job) -> TopicModel:
    """Return the model of a job; each process loads it once."""
    return _model(job.model, job.model_digest)


@functools.lru_cache(maxsize=1)
def _model(path: str | None, digest: str) -> TopicModel:
    file = Path(path) if path else SHIPPED
    if _digest(file) != digest:
        raise BulkError(f"{file}: is another model here than where the run began")
    return load_model(file)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_versions(job: Job) -> None:
    """Raise BulkError where this process runs other versions than the one that began the job."""
    for here, there in zip(_versions(), job.versions, strict=True):
        if here != there:
            raise BulkError(f"{platform.node()} runs {here}, but the run began with {there}")


@functools.cache
def _versions() -> tuple[str, ...]:
    python = ".".join(platform.python_version_tuple()[:2])
    return (f"lanmu {version('lanmu')}", f"Python {python}", f"numpy {version('numpy')}")


def _run(
    job: Job,
    shards: Sequence[Shard],
    spread: Spread,
    strict: bool,
    progress: Callable[[Progress], object],
) -> Totals:
    begun = time.monotonic()
    size = sum(shard.size for shard in shards)
    labelled = rejected = n_bytes = n_done = 0

    def count(done: Done) -> None:
        nonlocal labelled, rejected, n_bytes, n_done
        labelled += done.labelled
        rejected += done.rejected
        n_bytes += done.shard.size
        n_done += 1
        if strict and done.rejected:
            with job.part(done.shard, "rejected").open("rb") as rejects:
                first = json.loads(rejects.readline())
            raise BulkError(f"{first['file']}:{first['line']}: {first['reason']}")

    missing = []
    for shard in shards:
        if job.part(shard, "rows").exists():
            n_rejected = _n_lines(job.part(shard, "rejected"))
            count(Done(shard, shard.n_rows - n_rejected, n_rejected))
        else:
            missing.append(shard)
    n_before = n_bytes
    for done in spread(job, missing) if missing else ():
        count(done)
        rate = (n_bytes - n_before) / max(time.monotonic() - begun, 1e-9)
        left = (size - n_bytes) / rate
        progress(Progress(labelled + rejected, rejected, n_bytes, size, rate, left))
    if n_done != len(shards):
        raise UnfinishedRunError(f"{len(shards) - n_done} shards were not labelled; run it again")
    return Totals(labelled + rejected, labelled, rejected)


def _n_lines(part: Path) -> int:
    """Return how many rows a part has; one that was not needed is not there."""
    if not part.exists():
        return 0
    with part.open("rb") as rows:
        return sum(1 for _ in rows)


def _join(job: Job, shards: Sequence[Shard], first: Source, output: Path, rejected: int) -> None:
    """Put the parts together into the output and the file of rejected rows, in this order."""
    folder = Path(job.parts).parent
    rejects = _rejects_of(output)
    if rejected:
        with whole(rejects, folder) as out:
            _copy(filter(Path.exists, (job.part(shard, "rejected") for shard in shards)), out)
    else:
        rejects.unlink(missing_ok=True)
    parts = [job.part(shard, "rows") for shard in shards]
    with whole(output, folder) as out:
        if job.layout.form == "parquet":
            parquet.join(parts, first.path, out)
            return
        if job.layout.header or not parts:
            with packed(out, job.packing) as beginning:
                beginning.write(job.layout.first_line())
        _copy(parts, out)


def _rejects_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.rejected.jsonl")


def _copy(parts: Iterable[Path], out: BinaryIO) -> None:
    for part in parts:
        with part.open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)


def _check_output(output: Path, inputs: Sequence[str | Path], found: Sequence[Source]) -> None:
    if output.is_dir():
        raise BulkError(f"{output}: is a folder; name a file in it")
    if not output.parent.is_dir():
        raise BulkError(f"{output}: its folder does not exist; make it first")
    for taken in (output, _rejects_of(output)):
        if any(source.path == str(taken) for source in found):
            raise BulkError(f"{taken}: is an input, and would be written; name another output")
    for folder in inputs:
        if Path(folder).is_dir() and output.is_relative_to(Path(folder).resolve()):
            raise BulkError(f"{output}: is in the folder {folder}, which is read; name another")
