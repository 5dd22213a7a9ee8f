"""Validates many documents on all cores, in the order in which they were named.

Documents go to the workers in small chunks, and only a few chunks are under way at a time: memory
does not grow with the number of files.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path

from cds_service.tools.validate.engine import Options, Validator
from cds_service.tools.validate.files import Task
from cds_service.tools.validate.findings import DocumentFinding, Report

CHUNK = 16
_CHUNK_BYTES = 4_000_000
_ALONE = 24  # so few documents are done before other processes have started

_validator: Validator | None = None


def run(tasks: Iterable[Task], options: Options, jobs: int | None = None) -> Iterator[Report]:
    """The report on each document, in order. `jobs` worker processes, all cores by default.

    Raises KnowledgeError, and BrokenProcessPool when a worker was killed.
    """
    todo = iter(tasks)
    first = list(islice(todo, _ALONE))
    further = next(todo, None)
    jobs = jobs or os.cpu_count() or 1
    if further is None or jobs == 1:
        validator = Validator(options)
        rest = todo if further is None else chain([further], todo)
        yield from (_one(validator, task) for task in chain(first, rest))
        return
    yield from _spread(chain(first, [further], todo), options, jobs)


def _spread(tasks: Iterable[Task], options: Options, jobs: int) -> Iterator[Report]:
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of others
    under_way: deque[Future[list[Report]]] = deque()
    with ProcessPoolExecutor(jobs, context, _start, (options,)) as pool:
        for chunk in _chunks(tasks):
            under_way.append(pool.submit(_work, chunk))
            if len(under_way) > 3 * jobs:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


def _chunks(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    chunk: list[Task] = []
    size = 0
    for task in tasks:
        chunk.append(task)
        size += len(task.data or b"")
        if len(chunk) == CHUNK or size > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _start(options: Options) -> None:
    global _validator
    _validator = Validator(options)


def _work(chunk: list[Task]) -> list[Report]:
    assert _validator is not None  # noqa: S101  # the initializer has run
    return [_one(_validator, task) for task in chunk]


def _one(validator: Validator, task: Task) -> Report:
    try:
        return validator.check(task.read(), task.name, task.line)
    except OSError as error:
        return _failed(
            task, DocumentFinding("not-json", (), f"cannot be read: {error.strerror}", line=1)
        )
    except Exception as error:  # a bug met in one document must not end a run over thousands
        places = traceback.extract_tb(error.__traceback__)
        where = f"{Path(places[-1].filename).name}:{places[-1].lineno}"
        said = f"{type(error).__name__} in {where}"
        return _failed(
            task, DocumentFinding("internal-error", (), said, "report it as a bug", line=1)
        )


def _failed(task: Task, finding: DocumentFinding) -> Report:
    return Report(task.name, task.line, unusable=True, findings=[finding])
