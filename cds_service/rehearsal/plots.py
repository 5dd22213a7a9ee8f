"""The geometry of the plots in a report: numbers in, places in an SVG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Any, Final

WIDTH: Final = 720
HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 34
_MOST_LABELS: Final = 9


@dataclass(frozen=True, slots=True)
class Tick:
    """A value of a scale and where it lies."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A rate with its interval, by where it lies; `y` is None where it is hidden."""

    x: float
    text: str
    label: str
    y: float | None = None
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Series:
    """Rates over time."""

    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    names: tuple[Tick, ...]
    line: tuple[str, ...]  # points of each piece between hidden ones
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Bar:
    """A number beside its name, in percent of the room; `width` is None where it is hidden."""

    name: str
    text: str
    width: float | None = None
    low: float | None = None
    high: float | None = None
    tone: str = ""


def over_time(rows: Sequence[Mapping[str, Any]], label: str) -> Series:
    """Rates with their intervals, in the order of the rows."""
    top = _nice(max((row["high"] for row in rows if row["high"] is not None), default=1.0))
    step = (WIDTH - _LEFT - _RIGHT) / max(len(rows), 1)

    def down(value: float) -> float:
        return round(HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM), 1)

    dots = []
    pieces: list[list[str]] = [[]]
    for number, row in enumerate(rows):
        x = round(_LEFT + step * (number + 0.5), 1)
        if row["per_100"] is None:
            dots.append(Dot(x, "not shown", row[label]))
            pieces.append([])
            continue
        said = f"{row['per_100']:.1f} ({row['low']:.1f} to {row['high']:.1f}), {row['events']:,}"
        ends = down(row["per_100"]), down(row["low"]), down(row["high"])
        dots.append(Dot(x, said, row[label], *ends))
        pieces[-1].append(f"{x},{ends[0]}")
    every = max(1, ceil(len(rows) / _MOST_LABELS))
    names = tuple(Tick(dot.x, dot.label) for dot in dots[::every])
    ticks = tuple(Tick(down(top * part / 4), f"{top * part / 4:g}") for part in range(5))
    lines = tuple(" ".join(piece) for piece in pieces if len(piece) > 1)
    return Series(tuple(dots), ticks, names, lines)


def bars(rows: Sequence[tuple[str, float | None, str, str]]) -> tuple[Bar, ...]:
    """Bars of name, value (None where it is hidden), text beside it, and tone."""
    most = max((value for _, value, _, _ in rows if value is not None), default=0) or 1
    return tuple(
        Bar(name, text, None if value is None else _part(value, most), tone=tone)
        for name, value, text, tone in rows
    )


def rates(rows: Sequence[Mapping[str, Any]]) -> tuple[Bar, ...]:
    """Rates of groups with their intervals, on one scale."""
    top = _nice(max((row["high"] for row in rows if row["high"] is not None), default=1.0))
    return tuple(
        Bar(row["name"], row["text"])
        if row["per_100"] is None
        else Bar(
            row["name"],
            row["text"],
            _part(row["per_100"], top),
            _part(row["low"], top),
            _part(row["high"], top),
        )
        for row in rows
    )


def _part(value: float, whole: float) -> float:
    return round(100 * value / whole, 2)


def _nice(value: float) -> float:
    """The next round number of a scale."""
    if value <= 0:
        return 1.0
    power = 10.0 ** ceil(log10(value)) / 10
    return next(power * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if power * step >= value)
