"""What is shown on a terminal while a command works; nothing where standard error is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

    from cds_service.tools.validate.findings import Report

_T = TypeVar("_T")


def shown(items: Iterable[_T], noun: str, total: int) -> Iterator[_T]:
    """The items, with a bar that counts them."""
    with _bar(noun) as progress:
        bar = progress.add_task(noun, total=total)
        for item in items:
            yield item
            progress.advance(bar)


def watched(reports: Iterable[Report], files: int) -> Iterator[Report]:
    """The reports of `validate`, with a bar that counts the files they are of."""
    with _bar("files") as progress:
        bar, last = progress.add_task("validate", total=files), ""
        for report in reports:
            if report.name != last:
                progress.advance(bar)
                last = report.name
            yield report


@contextmanager
def spinning(what: str) -> Iterator[None]:
    """What is being done, where nothing can be counted."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} …"):
        yield


def _bar(noun: str) -> AbstractContextManager[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), noun, TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
