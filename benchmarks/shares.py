"""Counts the instructions of each piece of a laboratory order: `python -m benchmarks.shares`.

The pieces are asked one by one with what they get in a call; what they leave of the whole is HTTP.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import callgrind
from benchmarks.bodies import laboratory
from benchmarks.instructions import SIZES, Connection
from benchmarks.servers import PATH, ROOT

_CALLS = 50
_SERVICE = PATH.rpartition("/")[2]
_PIECES = ("open", "order", "depth", "told", "figures", "line")


def main() -> None:
    """Print thousands of instructions a call, by piece and size."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
        kept |= {"PYTHONHASHSEED": "0", "CDS_DATABASE_URL": "none", "CDS_DATA_DIR": name}
        subprocess.run(
            [*callgrind.command(folder), sys.executable, "-m", "benchmarks.shares", "count"],
            cwd=ROOT, env=kept, check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        found = [number / _CALLS / 1000 for number in callgrind.counts(folder)]
    width = len(_PIECES) + 1
    print("thousand instructions".ljust(24), *(f"{size:>9}" for size in SIZES))
    rows = {piece: found[place::width] for place, piece in enumerate(("whole", *_PIECES))}
    rest = [whole - sum(pieces) for whole, *pieces in zip(*rows.values(), strict=True)]
    for piece, numbers in (rows | {"http, the rest": rest}).items():
        print(piece.ljust(24), *(f"{number:9.1f}" for number in numbers))


async def _count() -> None:
    from cds_service.cdshooks.bounds import check_body
    from cds_service.cdshooks.request import open_call
    from cds_service.ops import calls, log, metrics
    from cds_service.server.app import create_app, settle_memory
    from cds_service.server.http1 import BoundedProtocol
    from cds_service.store.records import Origin
    from cds_service.trust.rollout import ALL_LIVE

    log.start()
    app = create_app()
    settle_memory()
    connection = Connection(app, BoundedProtocol)
    counter = callgrind.Counter()
    runtime = app.state.in_force.runtime
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
        call = calls.begin(None)
        call.service, call.hook, call.client, call.status = _SERVICE, "order-sign", "x", 200
        call.stages, call.mode = {"parse": 0.001}, "live"
        opened = open_call(content)
        origin = Origin(_SERVICE, "order-sign", "anonymous")

        def line() -> None:
            log.log_request(call, "POST", 0.001)  # noqa: B023  # asked at once

        pieces: tuple[Callable[[], object], ...] = (
            lambda: open_call(content),  # noqa: B023  # asked at once
            lambda: runtime.harmless.passes_over(opened, 200),  # noqa: B023  # asked at once
            lambda: check_body(content, runtime.settings),  # noqa: B023  # asked at once
            lambda: runtime.teller.passed_over(ALL_LIVE, origin),  # noqa: B023  # asked at once
            lambda: metrics.observe(call, 0.001),  # noqa: B023  # asked at once
            line,
        )
        for piece in pieces:
            piece()
            log.drain(5)
            counter.start()
            for _ in range(_CALLS):
                piece()
            log.drain(5)
            counter.stop()


if __name__ == "__main__":
    if sys.argv[1:] == ["count"]:
        import uvloop

        uvloop.run(_count())
    else:
        main()
