"""The goals of the project for speed, and whether a run has reached them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.run import Results


_INSTRUCTIONS = {
    "laboratory order, 7 kB": 1.9, "laboratory order, 70 kB": 3, "laboratory order, 700 kB": 4,
    "silent hip, 7 kB": 0.6, "silent hip, 70 kB": 1, "silent hip, 700 kB": 1,
    "card, 7 kB": 0.4, "card, 70 kB": 0.8, "card, 700 kB": 1,
}  # fmt: skip


_RATES = {
    "laboratory order, 7 kB": 2, "laboratory order, 70 kB": 3, "laboratory order, 700 kB": 8,
    "mix, 7 kB": 1.5,
}  # fmt: skip


def goals(results: Results) -> list[list[str]]:
    """Rows of goal, measured figure, and yes or no."""
    found = [*_instructions(results), *_practice(results), *_throughput(results), *_rest(results)]
    return [
        [words, f"{value:.2f}{unit}", "yes" if r else "**no**"] for words, value, unit, r in found
    ]


_Goal = tuple[str, float, str, bool]


def _least(words: str, value: float, limit: float, unit: str = "") -> _Goal:
    return f"{words} ≥ {limit:g}{unit}", value, unit, value >= limit


def _most(words: str, value: float, limit: float, unit: str = "") -> _Goal:
    return f"{words} ≤ {limit:g}{unit}", value, unit, value <= limit


def _instructions(results: Results) -> Iterator[_Goal]:
    for case, limit in _INSTRUCTIONS.items():
        if case in results.instructions:
            words = f"{case}, instructions of control / ours"
            yield _least(words, results.instructions[case], limit)


def _practice(results: Results) -> Iterator[_Goal]:
    found = {(one.case, one.who): one for one in results.practice}
    for case, limit in _RATES.items():
        ours, control = found[case, "ours"], found[case, "control"]
        words = f"{case}, calls per second over HTTP with 16 connections, of control"
        yield _least(words, ours.rate / control.rate, limit)
    ours = found["laboratory order, 7 kB", "ours"]
    yield _most("p99 / p50 of a laboratory order, 16 connections", ours.p99 / ours.p50, 2)
    peer = found.get(("card, 7 kB", "healthchain"))
    if peer is not None:
        words = "card, 7 kB, CPU of HealthChain / ours"
        yield _least(words, peer.cpu / found["card, 7 kB", "ours"].cpu, 1)


def _throughput(results: Results) -> Iterator[_Goal]:
    """Of calls that get a card."""
    rate = {
        (who, number): results.median(who, number, 16, "rate") or 0.0
        for who in ("ours", "control", "validated")
        for number in (10, 100, 1_000, 10_000)
    }

    def ratio(words: str, number: int, other: str, limit: float) -> Iterator[_Goal]:
        if rate[other, number]:
            yield _least(words, rate["ours", number] / rate[other, number], limit)

    yield from ratio("card, 700 kB, calls per second of control", 1_000, "control", 1.0)
    yield from ratio("card, 7 MB, calls per second of control", 10_000, "control", 1.0)
    yield from ratio("card, 70 kB, calls per second of validated", 100, "validated", 5.0)
    ours, theirs = (results.median(w, 10, 16, "p99") for w in ("ours", "healthchain"))
    if ours and theirs:
        yield _most("p99 at 7 kB and 16 connections, of HealthChain's", ours / theirs, 1.0)


def _rest(results: Results) -> Iterator[_Goal]:
    from benchmarks.report import large_slope

    yield _most("200 orders on 1,000 conditions, of one order", results.many_orders, 2)
    large = results.stages[10_000]
    yield _most("10,000 conditions, of orjson.loads", large["whole"] / large["orjson"], 0.8)
    slope = large_slope(results.by_conditions)
    if slope is not None:
        yield _most("exponent of growth by conditions", slope, 1.05)
    size, peak = next((s, p) for n, s, _, p in results.by_conditions if n >= 10_000)
    yield _most("peak memory above idle, of the body", peak / size, 4.0)
    yield _most("idle worker", results.idle / 1e6, 110, " MB")
    ours, base = results.imports
    yield _most("import, of FastAPI and one resource", ours / base, 1.3)
