"""Runs all benchmarks and writes docs/performance.md; `--quick` takes under five minutes."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import callgrind, inside, instructions, load, others, report, shares
from benchmarks.bodies import SIZES, body
from benchmarks.practice import Measured, practice
from benchmarks.servers import (
    ALL,
    HEALTHCHAIN_APP,
    KEEPING,
    OURS,
    Contender,
    install_healthchain,
    running,
)

CONNECTIONS = (1, 16)
CONDITIONS = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
ORDERS = (1, 5, 20, 100, 200, 500)


@dataclass
class Results:
    """Everything that was measured. Keys of `loads`: contender, conditions, connections."""

    quick: bool
    machine: str
    tool: str
    load_before: float
    contenders: tuple[Contender, ...] = ()
    loads: dict[tuple[str, int, int], list[load.Load]] = field(default_factory=dict)
    stages: dict[int, dict[str, float]] = field(default_factory=dict)
    by_conditions: list[tuple[int, int, float, float]] = field(default_factory=list)
    by_orders: list[tuple[int, int, float, float]] = field(default_factory=list)
    fairness: dict[str, load.Load] = field(default_factory=dict)
    instructions: dict[str, float] = field(default_factory=dict)
    """Of the control over ours, by case; empty where they cannot be counted."""
    shares: dict[str, list[float]] = field(default_factory=dict)
    """Thousands of instructions of a laboratory order by piece, one number a size."""
    practice: list[Measured] = field(default_factory=list)
    many_orders: float = 0.0
    """200 orders on 1,000 conditions, over one order."""
    idle: int = 0
    idle_keeping: int = 0
    imports: tuple[float, float] = (0.0, 0.0)
    load_after: float = 0.0
    minutes: float = 0.0

    def median(self, name: str, conditions: int, connections: int, figure: str) -> float | None:
        runs = self.loads.get((name, conditions, connections))
        return statistics.median(getattr(run, figure) for run in runs) if runs else None


def machine() -> str:
    """The machine in words."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (li.partition(":")[2].strip() for li in info.splitlines() if "model name" in li), "?"
    )
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release()}, {python}"


def throughput(results: Results, rounds: int, seconds: float) -> None:
    """All contenders up at once, asked in turn: what disturbs one round disturbs all of them."""
    bodies = {number: body(number) for number in SIZES}
    with ExitStack() as stack:
        servers = [stack.enter_context(running(one)) for one in results.contenders]
        for server in servers:
            for number in SIZES:
                if number <= server.contender.largest:
                    server.check(bodies[number])
        for number in SIZES:
            for connections in CONNECTIONS:
                for _ in range(rounds):
                    for server in servers:
                        who = server.contender
                        if number > who.largest or (connections > 1 and number >= who.alone):
                            continue
                        long = seconds * 5 if number == SIZES[-1] else seconds
                        run = load.run(server.url, bodies[number], connections, long)
                        results.loads.setdefault((who.name, number, connections), []).append(run)
                print(f"{number} conditions, {connections} connections: done", file=sys.stderr)
        for server in servers:
            server.check(bodies[SIZES[0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="directory of the report")
    options = parser.parse_args()
    started = time.monotonic()
    results = Results(options.quick, machine(), load.tool(), os.getloadavg()[0])
    has_healthchain = install_healthchain()
    results.contenders = tuple(c for c in ALL if has_healthchain or c is not HEALTHCHAIN_APP)
    results.imports = others.import_seconds(3 if options.quick else 7)
    results.idle = others.idle_bytes(OURS)
    results.idle_keeping = others.idle_bytes(KEEPING)
    results.stages = {number: inside.stages(number) for number in SIZES}
    conditions = CONDITIONS[::2] if options.quick else CONDITIONS
    results.by_conditions = inside.growth("conditions", conditions)
    results.by_orders = inside.growth("orders", ORDERS[::2] if options.quick else ORDERS)
    if (why := callgrind.lacking()) is None:
        results.instructions = instructions.ratios()
        results.shares = shares.shares()
    else:
        print(f"instructions are not counted: {why}", file=sys.stderr)
    results.many_orders = inside.many_orders()
    results.practice = practice(
        *((1, 1) if options.quick else (3, 3)), has_healthchain=has_healthchain
    )
    results.fairness = others.fairness(2 if options.quick else 5)
    throughput(results, *((2, 1) if options.quick else (3, 3)))
    results.load_after = os.getloadavg()[0]
    results.minutes = (time.monotonic() - started) / 60
    report.write(results, options.out)
    print(f"written: {options.out / 'performance.md'}", file=sys.stderr)


if __name__ == "__main__":
    main()
