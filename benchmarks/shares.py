"""Counts the instructions of each piece of a laboratory order: `python -m benchmarks.shares`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.bodies import laboratory
from benchmarks.instructions import SIZES, Connection, counted
from benchmarks.servers import PATH

if TYPE_CHECKING:
    from fastapi import FastAPI

_CALLS = 20
_SERVICE = PATH.rpartition("/")[2]
WHOLE, REST = "whole", "HTTP and the rest"
PIECES = ("the order known again", "depth", "answer", "figures", "log")


def shares() -> dict[str, list[float]]:
    """Thousands of instructions a call by piece, one number for each of SIZES."""
    found = [number / _CALLS / 1000 for number in counted("benchmarks.shares", ["count"])]
    names = (WHOLE, *PIECES)
    rows = {name: found[place :: len(names)] for place, name in enumerate(names)}
    by_size = zip(*(rows[name] for name in names), strict=True)
    return rows | {REST: [whole - sum(pieces) for whole, *pieces in by_size]}


# --- in the process that is counted ---


async def _count() -> None:
    from benchmarks import callgrind
    from cds_service.ops import log
    from cds_service.server.app import create_app, settle_memory
    from cds_service.server.http1 import BoundedProtocol

    log.start()
    app = create_app()
    settle_memory()
    connection, counter = Connection(app, BoundedProtocol), callgrind.Counter()
    for conditions in SIZES.values():
        content = laboratory(conditions)
        for _ in range(4):
            await connection.ask(content)
        log.drain(5)
        counter.start()
        for _ in range(_CALLS):
            await connection.ask(content)
        log.drain(5)
        counter.stop()
        for piece in _pieces(app, content):
            piece()
            log.drain(5)
            counter.start()
            for _ in range(_CALLS):
                piece()
            log.drain(5)
            counter.stop()


def _pieces(app: FastAPI, content: bytes) -> tuple[Callable[[], object], ...]:
    """What a call goes through, in the order of PIECES."""
    from cds_service.cdshooks.bounds import check_body
    from cds_service.ops import calls, log, metrics
    from cds_service.store.records import Origin
    from cds_service.trust.rollout import ALL_LIVE

    runtime = app.state.in_force.runtime
    hook, client = "order-sign", "anonymous"
    call = calls.begin(None)
    call.service, call.hook, call.client, call.status, call.mode = (
        _SERVICE,
        hook,
        client,
        200,
        "live",
    )
    return (
        lambda: runtime.harmless.passes_over(content, 200),
        lambda: check_body(content, runtime.settings),
        lambda: runtime.teller.passed_over(ALL_LIVE, Origin(_SERVICE, hook, client)),
        lambda: metrics.observe(call, 0.001),
        lambda: log.log_request(call, "POST", 0.001),
    )


def main() -> None:
    """Print the table."""
    print("thousand instructions".ljust(24), *(f"{size:>9}" for size in SIZES))
    for piece, numbers in shares().items():
        print(piece.ljust(24), *(f"{number:9,.0f}" for number in numbers))


if __name__ == "__main__":
    if sys.argv[1:] == ["count"]:
        import uvloop

        uvloop.run(_count())
    else:
        main()
