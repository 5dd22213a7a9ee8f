"""Loads the clinical cases of tests/cases/*.yaml: background of the file and case put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "cases"
DESCRIPTION = frozenset(
    {
        "patient",
        "orders",
        "chart",
        "missing",
        "failed",
        "null",
        "partial",
        "prefetch",
        "release",
        "signals",
        "record",
    }
)
ABOUT = frozenset({"id", "title", "why", "expect", "chart_only", "clock"})
CARD = frozenset(
    {
        "indicator", "row", "card", "tier", "says", "never_says", "offers", "excludes",
        "conditions", "decision", "not_unconditional", "suggestions", "recommended", "days",
        "protected", "replaces", "referral", "trace",
    }
)  # fmt: skip
SILENCE = frozenset({"row", "trace"})
STATUS = frozenset({"status", "says"})


class CaseError(ValueError):
    """A case file that cannot be read; names the file and the case."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what is sent (`description`, for `builders`) and what must come back."""

    id: str
    theme: str
    title: str
    why: str
    file: str
    description: dict[str, Any]
    cards: tuple[dict[str, Any], ...] | None  # None: silence or an error is expected
    silence: dict[str, Any] | None
    status: dict[str, Any] | None
    clock: datetime | None = None  # no zone is known, and this is the moment


def load_all(folder: Path = FOLDER) -> list[Case]:
    """All cases, in the order of files and lines. Raises CaseError on a mistake in a file."""
    cases = [case for path in sorted(folder.glob("*.yaml")) for case in load(path)]
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise CaseError(f"{case.file}: id {case.id} stands twice")
        seen.add(case.id)
    return cases


def load(path: Path) -> Iterator[Case]:
    """The cases of one file."""
    book = yaml.safe_load(path.read_text(encoding="utf-8"))
    _only(path, "file", book, {"theme", "about", "background", "cases"})
    background = book.get("background") or {}
    _only(path, "background", background, DESCRIPTION | {"card"})
    for raw in book["cases"]:
        yield _case(path, book["theme"], background, raw)


def _only(path: Path, place: str, said: Mapping[str, Any], known: Set[str]) -> None:
    if unknown := set(said) - known:
        raise CaseError(f"{path.name}: {place}: unknown {sorted(unknown)}")


def _case(path: Path, theme: str, background: Mapping[str, Any], raw: dict[str, Any]) -> Case:
    place = str(raw.get("id"))
    _only(path, place, raw, DESCRIPTION | ABOUT)
    if missing := {"id", "title", "why", "expect"} - set(raw):
        raise CaseError(f"{path.name}: {place}: without {sorted(missing)}")
    description = {key: background[key] for key in DESCRIPTION & set(background)}
    description |= {key: raw[key] for key in DESCRIPTION & set(raw)}
    description["chart"] = _chart(background.get("chart") or {}, raw)
    if not description.get("orders"):
        raise CaseError(f"{path.name}: {place}: no orders")
    expect = raw["expect"]
    _only(path, place, expect, {"card", "cards", "silence"} | STATUS)
    cards = _cards(path, place, background.get("card") or {}, expect)
    if silence := expect.get("silence"):
        _only(path, place, silence, SILENCE)
    return Case(
        id=place,
        theme=theme,
        title=raw["title"],
        why=raw["why"],
        file=path.name,
        description=description,
        cards=cards,
        silence=silence,
        status=expect if "status" in expect else None,
        clock=raw.get("clock"),
    )


def _chart(background: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """The lists of the background, then those of the case; `chart_only` drops the background."""
    if "chart_only" in raw:
        return dict(raw["chart_only"] or {})
    chart = dict(background)
    for name, items in (raw.get("chart") or {}).items():
        before = chart.get(name)
        chart[name] = [*before, *items] if isinstance(before, list) else items
    return chart


def _cards(
    path: Path, place: str, background: Mapping[str, Any], expect: Mapping[str, Any]
) -> tuple[dict[str, Any], ...] | None:
    if "card" in expect:
        own = [{**background, **(expect["card"] or {})}]
    elif "cards" in expect:
        own = list(expect["cards"])
    else:
        return None
    for card in own:
        _only(path, place, card, CARD)
    return tuple(own)
