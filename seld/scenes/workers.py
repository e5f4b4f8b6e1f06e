"""One job on many items: in this process, in worker processes, or on a Ray cluster."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol

import torch

_PER_TASK = 4  # items of a Ray task, so that opening the job costs little
_TASKS = 256  # handed to Ray at once
_PATIENCE_S = 60.0  # for cancelled tasks of Ray to end


class Job(Protocol):
    """Work that can be sent to another process."""

    def start(self) -> Callable[[Any], None]:
        """The function of one item, with what it needs opened in this process."""


def work(job: Job, items: Sequence[Any], workers: int = 1, ray: bool = False) -> Iterator[None]:
    """Do the job on every item; yields whenever one is done. The first failure ends it and is raised.

    Raises:
        ValueError: when Ray is asked for and not installed, or there are no workers.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if ray:
        return _in_ray(job, items, _import_ray())
    if workers == 1 or len(items) < 2:
        return _here(job, items)
    return _in_processes(job, items, min(workers, len(items)))


def _here(job: Job, items: Sequence[Any]) -> Iterator[None]:
    do = job.start()
    for item in items:
        yield do(item)


def _in_processes(job: Job, items: Sequence[Any], workers: int) -> Iterator[None]:
    pool = ProcessPoolExecutor(workers, _process_context(), _start_worker, (job,))
    try:
        for done in as_completed([pool.submit(_work, item) for item in items]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _process_context() -> multiprocessing.context.BaseContext:
    """How workers start. Forking a process whose torch threads run can hang; a clean server can be forked.

    The server imports torch once, which takes seconds, where spawned workers would each do so.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


_do: Callable[[Any], None]


def _start_worker(job: Job) -> None:
    """Runs once in each worker process."""
    global _do
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which lets the workers finish
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _do = job.start()


def _end_with_parent() -> None:
    """Wait for the parent process and end this one, which would wait for work for ever if that is killed."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(item: Any) -> None:
    _do(item)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ValueError("ray must be installed to spread over a cluster: pip install 'seld[ray]'") from None
    return ray


def _in_ray(job: Job, items: Sequence[Any], ray: Any) -> Iterator[None]:
    """On the cluster that RAY_ADDRESS names, or this machine's cores. All machines must see the same folders."""
    if not ray.is_initialized():
        ray.init()
    task, shared = ray.remote(_work_in_ray), ray.put((job, os.getcwd()))
    parts = [items[begin : begin + _PER_TASK] for begin in range(0, len(items), _PER_TASK)]
    waiting: list[Any] = []
    try:
        while parts or waiting:
            while parts and len(waiting) < _TASKS:
                waiting.append(task.remote(shared, parts.pop(0)))
            ready, waiting = ray.wait(waiting)
            for done in ready:
                yield from [None] * _result(done, ray)
    finally:
        for left in waiting:
            ray.cancel(left)
        if waiting:  # or those that run would be killed in the middle of a file
            ray.wait(waiting, num_returns=len(waiting), timeout=_PATIENCE_S)


def _result(task: Any, ray: Any) -> int:
    """What a task gave; the error that it raised as it was, without the traces that Ray puts around it."""
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise OSError(f"Ray could not do the work: {error}") from None


def _work_in_ray(shared: tuple[Job, str], items: Sequence[Any]) -> int:
    """Do some items; how many."""
    job, folder = shared
    os.chdir(folder)  # paths may be relative to where the user stood
    torch.set_num_threads(1)
    do = job.start()
    for item in items:
        do(item)
    return len(items)
