"""Writes docs/performance.md and its plots from what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import inside, instructions, plot
from benchmarks.bodies import SIZES, body
from benchmarks.goals import goals

if TYPE_CHECKING:
    from benchmarks.run import Results

Row = list[str]
_NAMES = {
    "ours": "this service",
    "control": "control",
    "validated": "validated",
    "healthchain": "HealthChain",
    "keeping": "this service, SQLite",
    "bare": "uvicorn alone",
}


def write(results: Results, folder: Path) -> None:
    """Write the report and the plots into a directory."""
    plots = folder / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    (plots / "conditions.svg").write_text(_plot(results, "conditions"), encoding="utf-8")
    (plots / "orders.svg").write_text(_plot(results, "orders"), encoding="utf-8")
    text = "\n\n".join(part.strip() for part in _parts(results)) + "\n"
    (folder / "performance.md").write_text(text, encoding="utf-8")


def _parts(results: Results) -> Iterator[str]:
    yield "# Performance"
    yield _about(results)
    yield "## Goals\n\n" + _table(["goal", "measured", "reached"], goals(results))
    yield _WHY
    yield "## What a hospital sends\n\n" + _PRACTICE
    yield _practice(results)
    yield "## Throughput\n\n" + _WHO
    for connections in (1, 16):
        yield f"### {connections} connection{'s' * (connections > 1)}"
        yield _throughput(results, connections)
    if results.instructions:
        yield "## Instructions\n\n" + _INSTRUCTIONS
        yield _instructions(results.instructions)
        yield _SHARES
        yield _shares(results.shares)
    yield "## In process\n\n" + _INSIDE
    yield _stages(results)
    yield "## Growth\n\n" + _GROWTH
    yield _growth(results, "conditions")
    yield _growth(results, "orders")
    yield "## Fairness to small calls\n\n" + _FAIRNESS
    rows = [
        [k, f"{v.rate:.0f}", f"{v.p50:.2f}", f"{v.p99:.1f}"] for k, v in results.fairness.items()
    ]
    yield _table(["small calls", "calls/s", "p50 ms", "p99 ms"], rows)
    yield "## Memory and import\n\n" + _footprint(results)
    yield _BESIDE_CQL
    yield _HOW


def _about(results: Results) -> str:
    kind = "quick" if results.quick else "full"
    today = datetime.now(UTC).date()
    return (
        f"Written by `scripts/bench` ({kind} run, {results.minutes:.0f} minutes, {today}); do not "
        f"edit. Machine: {results.machine}. Load average {results.load_before:.1f} before and "
        f"{results.load_after:.1f} after (the benchmark itself loads both cores). Load came from "
        f"{results.tool}. Contenders run at the same time on the same machine and are asked in "
        "turn, so ratios mean more than absolute figures."
    )


# --- tables ---


def _table(head: Row, rows: list[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _throughput(results: Results, connections: int) -> str:
    rows = []
    for number in SIZES:
        control = results.median("control", number, connections, "rate")
        for who in results.contenders:
            runs = results.loads.get((who.name, number, connections))
            if not runs or not control:
                continue
            rates = [run.rate for run in runs]
            median = results.median(who.name, number, connections, "rate") or 0.0
            rows.append([
                f"{len(body(number)) / 1000:,.0f} kB",
                _NAMES[who.name],
                f"{median:,.1f}",
                f"{min(rates):,.1f} to {max(rates):,.1f}",
                f"{median / control:.2f}",
                f"{results.median(who.name, number, connections, 'p50'):,.2f}",
                f"{results.median(who.name, number, connections, 'p99'):,.2f}",
                str(sum(run.errors for run in runs)),
            ])  # fmt: skip
    head = ["body", "contender", "calls/s", "spread", "of control", "p50 ms", "p99 ms", "errors"]
    return _table(head, rows)


def _practice(results: Results) -> str:
    control = {one.case: one for one in results.practice if one.who == "control"}
    rows = []
    for one in results.practice:
        beside = control.get(one.case)
        rows.append([
            one.case,
            _NAMES[one.who],
            f"{one.rate:,.0f}",
            f"{one.rate / beside.rate:.2f}" if beside else "",
            f"{one.p50:.2f}",
            f"{one.p99:.2f}",
            f"{one.cpu:.3f}",
            f"{beside.cpu / one.cpu:.2f}" if beside else "",
            str(one.errors),
        ])  # fmt: skip
    head = ["calls", "by", "calls/s", "of control", "p50 ms", "p99 ms", "CPU ms a call",
            "control's CPU / ours", "errors"]  # fmt: skip
    return _table(head, rows)


def _shares(found: dict[str, list[float]]) -> str:
    rows = [[piece, *(f"{number:,.0f}" for number in numbers)] for piece, numbers in found.items()]
    return _table(["thousand instructions", *instructions.SIZES], rows)


def _instructions(found: dict[str, float]) -> str:
    rows = [
        [kind, *(f"{found[f'{kind}, {size}']:.2f}" for size in instructions.SIZES)]
        for kind in instructions.KINDS
    ]
    rows.append(["mix", *(f"{instructions.mixed(found, s):.2f}" for s in instructions.SIZES)])
    return _table(["control / ours", *instructions.SIZES], rows)


def _stages(results: Results) -> str:
    names = list(next(iter(results.stages.values())))
    rows = []
    for number, spent in results.stages.items():
        ratio = spent["whole"] / spent["orjson"]
        cells = [f"{spent[name]:.3f}" for name in names]
        rows.append([f"{number:,}", *cells, f"{ratio:.2f}"])
    return _table(["conditions", *names, "whole / orjson"], rows)


def _growth(results: Results, kind: str) -> str:
    points = results.by_conditions if kind == "conditions" else results.by_orders
    rows = [
        [f"{n:,}", f"{size / 1e6:.2f}", f"{ms:.2f}", f"{peak / 1e6:.1f}", f"{peak / size:.1f}"]
        for n, size, ms, peak in points
    ]
    head = [kind, "body MB", "ms", "peak MB above idle", "peak / body"]
    words = f"Exponent over all points {slope(points):.2f}"
    large = large_slope(points)
    words += f", over bodies above 0.5 MB {large:.2f}." if large else "."
    return f"{_table(head, rows)}\n\n{words}\n\n![{kind}](performance/{kind}.svg)"


def slope(points: list[tuple[int, int, float, float]]) -> float:
    """Exponent of time against the number of conditions or orders."""
    return inside.exponent([(float(number), ms) for number, _, ms, _ in points])


def large_slope(points: list[tuple[int, int, float, float]]) -> float | None:
    """The same where the fixed cost of a call no longer hides the growth."""
    large = [p for p in points if p[1] > 500_000]
    return slope(large) if len(large) > 1 else None


def _plot(results: Results, kind: str) -> str:
    points = results.by_conditions if kind == "conditions" else results.by_orders
    series = {
        "time, ms": [(float(n), ms) for n, _, ms, _ in points],
        "peak memory, MB": [(float(n), max(peak / 1e6, 0.01)) for n, _, _, peak in points],
    }
    return plot.draw(f"Cost of one call by number of {kind}", kind, "", series)


def _footprint(results: Results) -> str:
    ours, base = results.imports
    return (
        f"An idle worker holds {results.idle / 1e6:.1f} MB without a store, and "
        f"{results.idle_keeping / 1e6:.1f} MB with SQLite after its first start, which also makes "
        "the schema (later starts do without Alembic). The import of the application takes "
        f"{ours * 1000:.0f} ms, that of FastAPI and one R4B resource {base * 1000:.0f} ms in the "
        f"same run (ratio {ours / base:.2f})."
    )


# --- words ---


_WHY = """
What stands in the way where a goal is not reached.

*A laboratory order*: the table [by piece](#instructions) tells. HTTP on a connection with bounds,
the order known again, figures and log are paid by every call. From 70 kB on the scan for JSON and
the depth of the whole body decide: both are exact, also for what is never opened, because a body
that is nested too deeply must not get an empty answer. A small body is known to be flat by a count
of its brackets. A parser with vector instructions (pysimdjson) was tried for the scan: it was
hardly cheaper, and its bound on the depth is fixed. Over HTTP a body that comes in several pieces,
and a token for which a database is asked, go through ASGI.

*A silent hip and a card*: the table [in process](#in-process) tells how the time is divided. Within
each of its columns the profile is flat: a call makes some hundred small objects and looks into many
small dicts. A result cannot be remembered for the next call, because it is about a patient. To
compile the rooms with mypyc was tried and saved little, for the same reason. More workers are the
remedy, as calls share nothing.

*A signed call*: most of what an ES384 token takes is OpenSSL's arithmetic on P-384; ES256 takes far
less. PyJWT looks at each sign of a token, which is the next largest part. To look a token up in the
database costs less the more calls wait, because they share a transaction.

*The import*: what it takes beyond FastAPI is the making of frozen dataclasses and pydantic models,
the compiling of regular expressions, the reading of modules, and prometheus-client; all of these
are needed to answer. What is not (YAML and the checks of the content, overlays, CQL, the
description of the interface) is imported where it is asked for. Both are imported from bytecode, as
a package that is installed has it.
"""

_PRACTICE = """
Calls over HTTP on 16 connections, asked in turn; medians of the rounds. The same laboratory order
was there before. *Mix*: 980 laboratory orders, 19 silent hips and one card in a thousand, an
assumption: no hospital was counted. *ES256*, *ES384*: the mix by a registered client with a new
token for each call, two workers, cards and used tokens in SQLite. CPU is that of all processes of
the server.
"""

_WHO = """
*control*: a bare FastAPI endpoint that decodes with orjson and answers `{"cards":[]}`.
*validated*: this service behind fhir.resources models for everything that comes in and goes out
(not asked above 700 kB, there on one connection only). *HealthChain*: with a handler that looks up
two codes and makes one card without drafts. *this service, SQLite*: as it starts by default, with
issued cards kept in a file; all others keep nothing. Every server runs one worker with uvloop and
httptools, and is checked to answer right before and after. *uvicorn alone*: the floor, which takes
the body and decodes nothing. The body holds one draft for a hip
replacement, a patient, and so many conditions, one of which is a high risk; the answer is one card
with two suggestions.
"""
_SHARES = """
Of a laboratory order that is answered past ASGI (at 700 kB: through it), by piece, each counted by
itself (`python -m benchmarks.shares`). *Known again*: with the scan for JSON.
*Depth*: no place is nested deeper than CDS_MAX_DEPTH. *Answer*: what is counted and kept of it.
HTTP includes the asking side.
"""

_INSIDE = """
Milliseconds, the best of many runs, without HTTP. *limits*: depth and number of resources.
*envelope*: the members of the call. *read*: draft orders and prefetch. *chart*: facts from what
was kept. *assess*: the decision. *cards*: cards, drafts and trace. *whole*: bytes to bytes.
"""
_GROWTH = """
Time of one call in process (best of several), and the most memory it took above idle, each in a
fresh process. Below some 300 conditions the fixed cost of a call hides the growth.
"""
_FAIRNESS = """
A chart of more than 256 kB is read in turns of 500 resources; between two turns all other calls go
on. What cannot be divided is one pass of the decoder over the whole body (some 10 ms for 7 MB). The
table shows calls of 7 kB on 4 connections while one more connection keeps sending large ones.
"""
_INSTRUCTIONS = """
Instructions of the control divided by ours: above 1 this service needs fewer. callgrind counts
both in one run, from the bytes of a request to those of its answer, with the log and the figures.
*Laboratory order*: the same test was ordered before and is known to be harmless. *Never seen*: its
words are new each time, so that it is read in full. *Mix*: 98 of 100 calls are for a laboratory
test or a medicine, 1.9 for a hip without a card, 0.1 for one with a card; that is an assumption, no
hospital was counted, and that the harmless ones were seen before is one, too. `scripts/bench
--gate` compares the small calls with `benchmarks/instructions.json`.

An order that was never seen costs what the patterns of
`harms` and `never` cost on its words.
"""

_BESIDE_CQL = """
## Beside CQL

The same rules as CQL, in an engine of others: `scripts/second-engine cost` asks both about the same
patients in one run. `--write` puts the figures beside [the second engine](second-engine.md#cost).
"""

_HOW = """
## Run it

`scripts/bench` takes about 15 minutes, `scripts/bench --quick` less than five. It installs wrk
from the Debian packages where it can (else a Python driver is used) and HealthChain into an
environment of its own, and writes this page. For a change of the code the guard without a clock
is quicker: `tests/test_cost.py` counts the function calls of fixed requests and compares them with
`tests/cost_baseline.json`.
"""
