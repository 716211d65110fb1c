"""Where the shards of a bulk run are labelled: in processes here, or on a Dask cluster.

Both call `lanmu.bulk.label_shard`. What they return is the `spread` of `label_files`:

    label_files(["news.jsonl"], "labelled.jsonl", spread=processes(4))

The cluster is not used by joblib's backend for it, which labels in this process where the cluster
has one core, and waits for ever for a shard that was lost with its worker too often.
"""

import functools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lanmu.bulk import (
    Done,
    Job,
    Spread,
    UnfinishedRunError,
    check_versions,
    in_this_process,
    label_shard,
    model_of,
)
from lanmu.errors import LanmuError
from lanmu.rows import BulkError
from lanmu.shards import Shard

_PATIENCE = 10  # seconds that a scheduler has to answer
_LOST = "; what is done is kept, and the same command goes on from there"


def processes(n: int) -> Spread:
    """Spread shards over `n` processes of this machine.

    Raises
    ------
    BulkError
        `n` is below 1.
    """
    if n < 1:
        raise BulkError(f"{n} workers can't label; it takes 1 or more")

    def spread(job: Job, shards: Sequence[Shard]) -> Iterator[Done]:
        if min(n, len(shards)) == 1:
            yield from in_this_process(job, shards)
            return
        import joblib  # noqa: PLC0415 - slow to import, and one process does without
        from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415
        from joblib.externals.loky.process_executor import TerminatedWorkerError  # noqa: PLC0415

        settings = {"initializer": _end_with, "initargs": (os.getpid(),)}
        with joblib.parallel_config(backend="loky", n_jobs=min(n, len(shards)), **settings):
            tasks = (joblib.delayed(label_shard)(job, shard) for shard in shards)
            try:
                yield from joblib.Parallel(batch_size=1, return_as="generator")(tasks)
            except TerminatedWorkerError as error:
                raise UnfinishedRunError(
                    f"a worker process was killed, perhaps for want of memory{_LOST}"
                ) from error
            finally:  # at its end Python would wait for ever for one that waits for a killed one
                get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)

    return spread


def _end_with(parent: int) -> None:
    """End this process soon after its parent was killed; loky would keep it for minutes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cluster(scheduler: str) -> Spread:
    """Spread shards over the workers of a Dask cluster, by the address of its scheduler.

    Each worker must have the same lanmu, Python and numpy, and must see the inputs, the model and
    the folder of the output under the same paths. It is asked at the start, and refused otherwise.
    """

    def spread(job: Job, shards: Sequence[Shard]) -> Iterator[Done]:
        try:
            import distributed  # noqa: PLC0415 - an extra
            from distributed.comm import addressing  # noqa: PLC0415
        except ImportError as error:
            raise BulkError("a cluster takes distributed: pip install 'lanmu[dask]'") from error
        try:  # an address that can't be one would leave a client that is never closed
            address = addressing.normalize_address(scheduler)
            addressing.get_address_host_port(address, strict=True)
            client: Any = distributed.Client(scheduler, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise BulkError(f"{scheduler}: no Dask scheduler answers there: {error}") from error
        with client:
            _check_workers(client, scheduler, job, shards)
            futures = client.map(functools.partial(label_shard, job), shards, pure=False)
            try:
                completed: Any = distributed.as_completed(futures, with_results=True)  # type: ignore[no-untyped-call]
                for _, done in completed:
                    yield done
            except distributed.KilledWorker as error:
                raise UnfinishedRunError(f"workers were lost too often: {error}{_LOST}") from error

    return spread


def _check_workers(client: Any, scheduler: str, job: Job, shards: Sequence[Shard]) -> None:
    paths = sorted({shard.source.path for shard in shards})
    try:
        told = client.run(trouble_here, job, paths)
    except Exception as error:  # of whatever kind a worker that has no lanmu raises
        raise BulkError(
            f"{scheduler}: its workers can't run lanmu ({error}); install {job.versions[0]} there"
        ) from error
    if not told:
        raise BulkError(f"{scheduler}: has no workers; start some with `dask worker {scheduler}`")
    for worker, trouble in told.items():
        if trouble:
            raise BulkError(f"worker {worker}: {trouble}")


def trouble_here(job: Job, paths: Sequence[str]) -> str | None:
    """Return what keeps this process from labelling shards of a job, if anything."""
    folder = Path(job.parts).parent
    try:
        check_versions(job)
        for path in (*paths, str(folder)):
            if not Path(path).exists():
                return f"{path} is not there; inputs and output must be in a folder that all share"
        model_of(job)
    except (LanmuError, OSError) as error:
        return str(error)
    return None
