"""The goals of the project for speed, and whether a run has reached them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.run import Results


_INSTRUCTIONS = {
    "laboratory order, 7 kB": 1.9, "laboratory order, 70 kB": 3, "laboratory order, 700 kB": 4,
    "silent hip, 7 kB": 0.6, "silent hip, 70 kB": 1, "silent hip, 700 kB": 1,
    "card, 7 kB": 0.4, "card, 70 kB": 0.8, "card, 700 kB": 1,
}  # fmt: skip


def goals(results: Results) -> list[list[str]]:
    """Rows of goal, measured figure, and yes or no."""
    from benchmarks.report import large_slope

    rate = {
        (who, number): results.median(who, number, 16, "rate") or 0.0
        for who in ("ours", "control", "validated", "healthchain")
        for number in (10, 100, 1_000, 10_000)
    }
    alone = {who: results.median(who, 10_000, 16, "rate") or 0.0 for who in ("ours", "control")}
    found: list[tuple[str, float, str, bool]] = []

    def add(words: str, value: float, limit: float, *, least: bool, unit: str = "") -> None:
        reached = value >= limit if least else value <= limit
        found.append((f"{words} {'≥' if least else '≤'} {limit:g}{unit}", value, unit, reached))

    def ratio(words: str, ours: float, other: float, limit: float) -> None:
        if other:
            add(words, ours / other, limit, least=True)

    ratio("7 kB, 16 connections, of control", rate["ours", 10], rate["control", 10], 0.75)
    ratio("70 kB, of control", rate["ours", 100], rate["control", 100], 1.0)
    ratio("700 kB, of control", rate["ours", 1_000], rate["control", 1_000], 1.0)
    ratio("7 MB, of control", alone["ours"], alone["control"], 1.0)
    ratio("7 kB, of HealthChain", rate["ours", 10], rate["healthchain", 10], 1.5)
    ratio("70 kB, of validated", rate["ours", 100], rate["validated", 100], 5.0)
    ours, theirs = (results.median(w, 10, 16, "p99") for w in ("ours", "healthchain"))
    if ours and theirs:
        add("p99 at 7 kB and 16 connections, of HealthChain's", ours / theirs, 1.0, least=False)
    for case, least in _INSTRUCTIONS.items():
        if case in results.instructions:
            add(f"{case}, instructions of control / ours", results.instructions[case], least,
                least=True)  # fmt: skip
    large = results.stages[10_000]
    add("10,000 conditions, of orjson.loads", large["whole"] / large["orjson"], 0.8, least=False)
    slope = large_slope(results.by_conditions)
    if slope is not None:
        add("exponent of growth by conditions", slope, 1.05, least=False)
    size, peak = next((s, p) for n, s, _, p in results.by_conditions if n >= 10_000)
    add("peak memory above idle, of the body", peak / size, 4.0, least=False)
    add("idle worker", results.idle / 1e6, 110, least=False, unit=" MB")
    add("import, of FastAPI and one resource", results.imports[0] / results.imports[1], 1.3,
        least=False)  # fmt: skip
    return [[words, f"{v:.2f}{unit}", "yes" if ok else "**no**"] for words, v, unit, ok in found]
