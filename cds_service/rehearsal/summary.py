"""From counters to the tables of a report, with small numbers hidden: the content of summary.json.

A number that must not be shown is null; see `disclosure`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from cds_service.ops.intervals import wilson
from cds_service.rehearsal.bindings import bind_moved, bind_rests, bind_rules, bind_undated
from cds_service.rehearsal.disclosure import Cell, Disclosure
from cds_service.rehearsal.surgeons import surgeons_told

FORMAT: Final = 1
ALL: Final[Cell] = ("all",)
CARD: Final = "card"
SILENT: Final = "silent"
WARNED: Final[Cell] = (*ALL, "warned")
NO_GROUP: Final = "(in no group)"
URGENT: Final = ("warning", "critical")
HEADLINES: Final = frozenset({ALL, (*ALL, CARD), (*ALL, SILENT), WARNED})
"""Hidden only where nothing else is left to hide."""
RATES: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": ("kind",),
    "about": ("about",),
    "month": ("month",),
    "quarter": ("quarter",),
    "year": ("year",),
    "age": ("sex", "age"),
    "group": ("group",),
    "afterwards": ("afterwards",),
}
"""Tables of rates, with the names of their labels."""
_WHOLE: Final = frozenset(
    {"kind", "about", "month", "quarter", "year", "age", "group"}
)  # each sums up to all events
_WHOLE_OF: Final[Mapping[str, Cell]] = {"afterwards": ("about", "arthroplasty")}
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "rule": ("rule",),
    "ruled out": ("option", "rule"),
    "doubt": ("doubt",),
    "genetic": ("row", "indicator"),
    "code": ("input", "system", "code"),
}
"""Tables of numbers of events (of patients for codes) that sum up to nothing that is told."""
_ENTRIES: Final[Mapping[str, tuple[str, ...]]] = {
    "late": ("input",),
    "undated": ("input",),
    "not understood": ("input", "system"),
}
"""Tables of events, and of the facts or entries in them."""

Counts = Mapping[tuple[str, ...], int]


def summarise(counts: Counts, min_cell: int, about: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a rehearsal (see `Tally.summary`)."""
    tables = _tables(counts)
    told = _Told(tables, min_cell)
    return {
        "format": FORMAT,
        **about,
        "min_cell": min_cell,
        "export": _export(tables, min_cell),
        "events": told.rate(ALL, {}),
        "warned": told.share(WARNED),
        "not_replayed": {"undated": told.number(("undated events",))},
        "rates": {name: told.rates(name) for name in RATES},
        "rows": told.rows(),
        "tiers": told.sums("tier"),
        "indicators": told.sums("indicator"),
        "repeats": told.parts("repeat", "days"),
        "inputs": told.inputs(),
        "undated_facts": told.dated() if _is_of_event(about) else None,
        "compared": told.compared(),
        "counts": {name: told.plain(name) for name in _PLAIN},
        "entries": {name: told.entries(name) for name in _ENTRIES},
        "surgeons": surgeons_told(tables.get("surgeon", {}), min_cell),
    }


def _tables(counts: Counts) -> dict[str, dict[tuple[str, ...], int]]:
    """The counters by the table they belong to, in order."""
    tables: dict[str, dict[tuple[str, ...], int]] = defaultdict(dict)
    for key in sorted(counts):
        tables[key[0]][key[1:]] = counts[key]
    for name, longer in _LONGER.items():
        sums: Counter[Cell] = Counter()
        for (month, part), n in tables["month"].items():
            sums[longer(month), part] += n
        tables[name] = dict(sums)
    if "group" in tables:
        _add_ungrouped(tables)
    return tables


def _add_ungrouped(tables: Mapping[str, dict[tuple[str, ...], int]]) -> None:
    """The events that are in no group: without them a small group is what the others lack."""
    rest = Counter[tuple[str, ...]]()
    for key, n in tables["row"].items():
        rest[NO_GROUP, CARD if key[1] else SILENT] += n
    for key, n in tables["group"].items():
        rest[NO_GROUP, key[-1]] -= n
    for key, n in rest.items():
        if n:
            tables["group"][key] = tables["group"].get(key, 0) + n


def _is_of_event(about: Mapping[str, Any]) -> bool:
    """Whether charts were those of the event: else nothing says what came later, or has no date."""
    return bool(about.get("options", {}).get("as_of", "event") == "event")


def quarter_of(month: str) -> str:
    """`2024-Q2` of `2024-05`."""
    return f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}" if month[0].isdigit() else month


def year_of(month: str) -> str:
    """`2024` of `2024-05`."""
    return month[:4] if month[0].isdigit() else month


_LONGER: Final[Mapping[str, Callable[[str], str]]] = {"quarter": quarter_of, "year": year_of}


class _Told:
    """The numbers with what is hidden of them."""

    def __init__(self, tables: Mapping[str, Mapping[tuple[str, ...], int]], min_cell: int) -> None:
        self._tables = tables
        self._disclosure = Disclosure(min_cell, HEADLINES)
        self._put_rows()
        for name in RATES:
            self._put_rates(name)
        self._put_periods()
        for name in ("dated", "other"):
            self._put_pairs(name)
        self._put_touched()
        self._put_inputs()
        self._put_repeats()
        for name in (*_PLAIN, *_ENTRIES, "undated events"):
            self._put_plain(name)
        bind_moved(self._disclosure, tables.get("other row", {}))
        bind_rules(self._disclosure, tables.get("rule row", {}))
        bind_undated(self._disclosure, tables.get("undated", {}))
        for name in ("rule", "ruled out", "doubt", *_ENTRIES):
            bind_rests(self._disclosure, ALL, name, tables.get(name, {}))
        self._hidden = self._disclosure.hidden()

    # --- what goes in ---

    def _put_rows(self) -> None:
        """All events are cards and silences; each is the sum of rows, and so are tiers."""
        rows = self._tables.get("row", {})
        put, line = self._disclosure.put, self._disclosure.line
        put({("row", *key): n for key, n in rows.items()})
        for part, is_card in ((CARD, True), (SILENT, False)):
            cells: list[Cell] = [("row", *key) for key in rows if bool(key[1]) is is_card]
            put({(*ALL, part): sum(rows[cell[1:]] for cell in cells)})
            line((*ALL, part), cells)
        put({ALL: sum(rows.values())})
        line(ALL, ((*ALL, CARD), (*ALL, SILENT)))
        for place, name in ((2, "indicator"), (3, "tier")):
            labels = sorted({key[place] for key in rows})
            for label in labels:
                held: list[Cell] = [("row", *key) for key in rows if key[place] == label]
                put({(name, label): sum(rows[cell[1:]] for cell in held)})
                line((name, label), held)
            line(ALL, [(name, label) for label in labels])
        self._put_urgent()

    def _put_urgent(self) -> None:
        """Warnings and critical cards are told together, too: critical ones alone are few."""
        told = [cell for cell in self._disclosure.counts if cell[0] == "indicator"]
        held = [cell for cell in told if cell[1] in URGENT]
        others = [cell for cell in told if cell[1] not in ("", *URGENT)]
        self._disclosure.put({WARNED: sum(self._disclosure.counts[cell] for cell in held)})
        self._disclosure.line(WARNED, held)
        self._disclosure.line((*ALL, CARD), [WARNED, *others])

    def _put_rates(self, name: str) -> None:
        found: dict[Cell, dict[str, int]] = defaultdict(lambda: {CARD: 0, SILENT: 0})
        for key, n in self._tables.get(name, {}).items():
            found[key[:-1]][key[-1]] += n
        put, line = self._disclosure.put, self._disclosure.line
        for labels, pair in found.items():
            put({(name, *labels): sum(pair.values())})
            put({(name, *labels, part): n for part, n in pair.items()})
            line((name, *labels), [(name, *labels, part) for part in pair])
        whole = ALL if name in _WHOLE else _WHOLE_OF.get(name)
        if whole is not None and found:
            line(whole, [(name, *labels) for labels in found])
            for part in (CARD, SILENT):
                line((*whole, part), [(name, *labels, part) for labels in found])

    def _put_periods(self) -> None:
        """A quarter and a year are sums of months."""
        months = sorted({key[0] for key in self._tables["month"]})
        for name, longer in _LONGER.items():
            for period in sorted(set(map(longer, months))):
                held = [month for month in months if longer(month) == period]
                for part in (CARD, SILENT):
                    cells = [("month", month, part) for month in held]
                    self._disclosure.line((name, period, part), cells)

    def _put_pairs(self, name: str) -> None:
        """Cards one way and the other: each cell beside its margins."""
        cells = self._tables.get(name, {})
        put, line = self._disclosure.put, self._disclosure.line
        put({(name, *key): n for key, n in cells.items()})
        for place, part in ((-2, CARD), (-2, SILENT)):
            if cells:
                line((*ALL, part), [(name, *key) for key in cells if key[place] == part])
        for part in (CARD, SILENT):
            margin = [(name, *key) for key in cells if key[-1] == part]
            put({(f"{name} margin", part): sum(cells[cell[1:]] for cell in margin)})
            line((f"{name} margin", part), margin)
        if cells:
            line(ALL, [(f"{name} margin", CARD), (f"{name} margin", SILENT)])

    def _put_touched(self) -> None:
        """Events with facts that have no date, and those without any."""
        found = self._tables.get("dated", {})
        names = sorted({key[0] for key in found})
        for name in names:
            cells: list[Cell] = [("dated", *key) for key in found if key[0] == name]
            self._disclosure.put({("touched", name): sum(found[cell[1:]] for cell in cells)})
            self._disclosure.line(("touched", name), cells)
        if names:
            self._disclosure.line(ALL, [("touched", name) for name in names])

    def _put_inputs(self) -> None:
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (name, state), n in self._tables.get("input", {}).items():
            found[name][state] = n
        everything = self._disclosure.counts[ALL]
        for name, states in found.items():
            states["not looked at"] = everything - sum(states.values())
            self._disclosure.put({("input", name, state): n for state, n in states.items()})
            self._disclosure.line(ALL, [("input", name, state) for state in states])

    def _put_repeats(self) -> None:
        cells = {("repeat", *key): n for key, n in self._tables.get("repeat", {}).items()}
        self._disclosure.put(cells)
        if cells:
            self._disclosure.line((*ALL, CARD), cells)

    def _put_plain(self, name: str) -> None:
        self._disclosure.put({(name, *key): n for key, n in self._tables.get(name, {}).items()})

    # --- what comes out ---

    def number(self, cell: Cell) -> int | None:
        """A number, 0 where nothing was counted, None where it must not be shown."""
        return None if cell in self._hidden else self._disclosure.counts.get(cell, 0)

    def rate(self, cell: Cell, labels: Mapping[str, str]) -> dict[str, Any]:
        """Events and cards of a cell, cards per 100 events with the interval of Wilson, and the
        ratio of that to the whole."""
        n, cards = self.number(cell), self.number((*cell, CARD))
        row: dict[str, Any] = {**labels, "events": n, "cards": cards}
        if n is None or cards is None or n == 0:
            return row | {"per_100": None, "low": None, "high": None, "ratio": None}
        low, high = wilson(cards, n)
        all_n, all_cards = self.number(ALL), self.number((*ALL, CARD))
        ratio = round(cards / n / (all_cards / all_n), 3) if all_n and all_cards else None
        per_100 = {"per_100": _of_100(cards / n), "low": _of_100(low), "high": _of_100(high)}
        return row | per_100 | {"ratio": ratio}

    def rates(self, name: str) -> list[dict[str, Any]]:
        names = RATES[name]
        keys = sorted({key[:-1] for key in self._tables.get(name, {})})
        return [
            self.rate((name, *labels), dict(zip(names, labels, strict=True))) for labels in keys
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Each row of the card table, with the share of all events."""
        names = ("row", "card", "indicator", "tier")
        keys = sorted(self._tables.get("row", {}))
        return [{**dict(zip(names, key, strict=True)), **self.share(("row", *key))} for key in keys]

    def share(self, cell: Cell) -> dict[str, Any]:
        """Events of a cell, and of 100 events, with the interval of Wilson."""
        n, everything = self.number(cell), self.number(ALL)
        if n is None or not everything:
            return {"events": n, "per_100": None, "low": None, "high": None}
        low, high = (_of_100(end) for end in wilson(n, everything))
        return {"events": n, "per_100": _of_100(n / everything), "low": low, "high": high}

    def sums(self, name: str) -> list[dict[str, Any]]:
        cells = sorted(cell for cell in self._disclosure.counts if cell[0] == name)
        return [{name: cell[1], **self.share(cell)} for cell in cells]

    def parts(self, name: str, label: str) -> list[dict[str, Any]]:
        order = ("7", "30", "90", "later", "first")
        keys = [key for key in order if (key,) in self._tables.get(name, {})]
        return [{label: key, "cards": self.number((name, key))} for key in keys]

    def inputs(self) -> list[dict[str, Any]]:
        cells = sorted(cell for cell in self._disclosure.counts if cell[0] == "input")
        return [
            {"input": cell[1], "state": cell[2], "events": self.number(cell)}
            for cell in cells
            if self._disclosure.counts[cell]
        ]

    def dated(self) -> dict[str, Any]:
        """Cards with and without the facts that have no date."""
        return {
            "events_with_undated": self.number(("touched", "some undated")),
            "cards_with": self.number((*ALL, CARD)),
            "cards_without": self.number(("dated margin", CARD)),
            "changed": self._changed("dated"),
        }

    def _changed(self, name: str) -> list[dict[str, Any]]:
        cells: Counter[tuple[str, str]] = Counter()
        hidden: set[tuple[str, str]] = set()
        for key, n in self._tables.get(name, {}).items():
            cells[key[-2], key[-1]] += n
            if (name, *key) in self._hidden:
                hidden.add((key[-2], key[-1]))
        return [
            {"this": a, "other": b, "events": None if (a, b) in hidden else cells[a, b]}
            for a in (CARD, SILENT)
            for b in (CARD, SILENT)
        ]

    def compared(self) -> dict[str, Any] | None:
        """The same events by the other content; None where none was asked for."""
        if "other" not in self._tables:
            return None
        rows = sorted({key[4] for key in self._tables["other row"]})
        return {
            "cards": self.number((*ALL, CARD)),
            "other_cards": self.number(("other margin", CARD)),
            "changed": self._changed("other"),
            "other_rows": [{"row": row, "events": self.number(("other row", row))} for row in rows],
        }

    def plain(self, name: str) -> list[dict[str, Any]]:
        """Numbers that are told where they are large enough; most first."""
        names = _PLAIN[name]
        keys = [k for k in self._tables.get(name, {}) if self.number((name, *k)) is not None]
        if name != "code":  # of a code its name is told, too, only where many have it
            keys = list(self._tables.get(name, {}))
        keys.sort(key=lambda k: (-(self.number((name, *k)) or 0), k))
        return [
            {**dict(zip(names, k, strict=True)), "events": self.number((name, *k))} for k in keys
        ]

    def entries(self, name: str) -> list[dict[str, Any]]:
        """Events, and the facts or entries in them: these only where those are shown."""
        names, found = _ENTRIES[name], self._tables.get(name, {})
        rows = []
        for labels in sorted({key[:-1] for key in found}):
            row: dict[str, Any] = dict(zip(names, labels, strict=True))
            row["events"] = events = self.number((name, *labels, "events"))
            if events is None and "://" in row.get("system", ""):
                continue  # a URI may name somebody: it is told only where many have it
            what = "entries" if name == "not understood" else "facts"
            row[what] = None if events is None else self.number((name, *labels, what))
            rows.append(row)
        return rows


def _of_100(rate: float) -> float:
    return round(100 * rate, 2)


def _export(tables: Mapping[str, Mapping[tuple[str, ...], int]], min_cell: int) -> dict[str, Any]:
    """What was read of the export: resources by type, and what could not be read."""
    read = {key[0]: n for key, n in tables.get("resource", {}).items()}
    found = {"/".join(key): n for key, n in tables.get("finding", {}).items()}
    patients = sum(tables.get("patients", {}).values())
    near = [read.get("Patient", 0), sum(tables.get("row", {}).values())]
    near += tables.get("code", {}).values()
    few_apart = any(0 < abs(n - patients) < min_cell for n in near)

    def shown(n: int) -> int | None:
        return n if n == 0 or n >= min_cell else None

    return {
        "resources": {name: shown(n) for name, n in read.items()},
        "findings": {name: shown(n) for name, n in found.items() if n},
        "patients": None if few_apart else shown(patients),
    }
