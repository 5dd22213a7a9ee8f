"""The selectors of the plans: which rows of which source become codes of a value set."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from value_sets.rxnorm import NAMES_SOURCE, never_local
from value_sets.sources import (
    ATC_SOURCE,
    CM_SOURCE,
    GPS_SOURCE,
    ICD9_SOURCE,
    PCS_SOURCE,
    SYSTEMS,
    WHO_SOURCE,
    Sources,
    Wrong,
)

TAG = re.compile(r" \([a-z/ ]+\)$")


@dataclass(frozen=True, slots=True)
class Row:
    """One code as it will stand in a value set."""

    system: str
    code: str
    display: str
    source: str
    confidence: str = "high"
    match: str = "exact"
    side: str | None = None
    note: str | None = None


def short(text: str) -> str:
    """Display without semantic tag and at most 90 characters."""
    return textwrap.shorten(TAG.sub("", text.strip()), 90, placeholder="...")


def side_of(title: str) -> str | None:
    """Side that an official title states, else None."""
    # "Both components" of an implant are on one side.
    of_implant = r"both (?:acetabular and femoral )?components"
    words = set(re.findall(r"[a-z]+", re.sub(of_implant, "", title.lower())))
    if "bilateral" in words or "both" in words or {"left", "right"} <= words:
        return "bilateral"
    return "left" if "left" in words else "right" if "right" in words else None


def from_table(
    sources: Sources, table: list[dict[str, str]], spec: dict[str, Any], title: str
) -> Iterator[Row]:
    """Rows of codes.csv or members.csv, filtered by the plan."""
    only = {str(c) for c in spec.get("codes", ())}
    without = {str(c) for c in spec.get("without", ())}
    systems = {SYSTEMS.get(s, s) for s in spec.get("systems", ())}
    wanted, unwanted = re.compile(spec.get("title", "")), spec.get("not_title")
    unseen = (only | without) - {row["code"] for row in table}
    if unseen:
        raise Wrong(f"{spec}: not in that concept: {sorted(unseen)}")
    for row in table:
        if (only and row["code"] not in only) or row["code"] in without:
            continue
        if systems and row["system"] not in systems:
            continue
        if not wanted.search(row["display"]) or (unwanted and re.search(unwanted, row["display"])):
            continue
        if spec.get("gps") and sources.sct.get(row["code"], ("", ""))[1] != GPS_SOURCE:
            continue
        yield from_csv(row, spec, title)


# Remarks of the research inside its displays, which are no part of the name.
REMARK = re.compile(
    r"^\((display not seen|CUI)\) "
    r"| \((SNOMED UK|MeSH heading|term as|ICD-11 foundation|any drug).*$"
    r"|^PROMs \"|\"( - .*)?$| \(or descendant\)$"
)
# Remarks on the upkeep of a code inside a display: they go into the note.
UPKEEP = re.compile(
    r" \((billable until .*|redefined \d+|professional only from \d+|MeSH SCR|5-820.*)\)$"
)


def from_csv(row: dict[str, str], spec: dict[str, Any], title: str) -> Row:
    """One row of the research as a row of a set."""
    names = {str(code): name for code, name in spec.get("displays", {}).items()}
    upkeep = UPKEEP.search(row["display"])
    display = names.get(row["code"]) or REMARK.sub("", UPKEEP.sub("", row["display"]))
    if display.startswith("(category"):
        display = title
    # The WHO list has no site digit; national versions (GM, AM) add one to M codes (README 15).
    gm = row["system"] == SYSTEMS["who"] and row["code"].startswith("M")
    match = spec.get("match") or ("prefix" if gm else row["match"])
    note = spec.get("note") or re.sub(r"\s*\[in GPS\]$", "", row["note"]).strip() or None
    if upkeep:
        note = "; ".join(part for part in (upkeep[1], note) if part)
    return Row(
        row["system"], row["code"], short(display), row["verified_in"].strip(),
        spec.get("confidence", row["confidence"]), match, note=note,
    )  # fmt: skip


def from_cm(sources: Sources, spec: dict[str, Any], sides: bool) -> Iterator[Row]:
    """ICD-10-CM: the code itself, and below it the topmost codes that state a side."""
    for code in spec["cm"]:
        if not sources.cm.is_valid_item(code):
            raise Wrong(f"ICD-10-CM does not hold {code}")
        match = "prefix" if sources.cm.get_children(code) and not spec.get("exact") else "exact"
        yield cm_row(sources, code, match, sides, spec)
        if sides and match == "prefix":
            for below in topmost_sided(sources.cm, code):
                yield cm_row(sources, below, "prefix", sides, spec)
    for code in spec.get("leaves_ending", ()):
        for leaf in sources.cm.get_descendants(code):
            if sources.cm.is_leaf(leaf) and leaf.endswith(spec["ending"]):
                yield cm_row(sources, leaf, "exact", sides, spec)


def cm_row(sources: Sources, code: str, match: str, sides: bool, spec: dict[str, Any]) -> Row:
    """One ICD-10-CM code with its official title."""
    title = sources.cm.get_description(code)
    if match == "prefix" and sources.cm.is_leaf(code):
        match = "exact"
    return Row(
        SYSTEMS["cm"], code, short(title), CM_SOURCE, spec.get("confidence", "high"), match,
        side_of(title) if sides else None, spec.get("note"),
    )  # fmt: skip


def topmost_sided(tree: Any, code: str) -> Iterator[str]:
    """The highest codes below one that state a side."""
    if side_of(tree.get_description(code)):
        return
    for child in tree.get_children(code):
        if side_of(tree.get_description(child)):
            yield child
        else:
            yield from topmost_sided(tree, child)


def from_who(sources: Sources, spec: dict[str, Any], sides: bool) -> Iterator[Row]:
    """ICD-10 (WHO), with the sides where they are asked for."""
    for code in spec["who"]:
        if not sources.who.is_valid_item(code):
            raise Wrong(f"ICD-10 (WHO) does not hold {code}")
        nodes = [code]
        if sides:
            nodes += list(topmost_sided(sources.who, code))
        for node in nodes:
            title = sources.who.get_description(node)
            below = bool(sources.who.get_children(node)) or node.startswith("M")
            match = spec.get("match") or ("prefix" if below and not spec.get("exact") else "exact")
            yield Row(
                SYSTEMS["who"], node, short(title), WHO_SOURCE, spec.get("confidence", "high"),
                match, side_of(title) if sides else None, spec.get("note"),
            )  # fmt: skip


def from_icd9(table: dict[str, str], codes: Iterable[Any], title: str) -> Iterator[Row]:
    """ICD-9-CM: a code with its title, or a category with the title of the set."""
    for code in map(str, codes):
        if code in table:
            yield Row(SYSTEMS["icd9"], code, short(table[code]), ICD9_SOURCE)
        elif any(c.startswith(code) for c in table):
            yield Row(SYSTEMS["icd9"], code, short(title), ICD9_SOURCE, match="prefix")
        else:
            raise Wrong(f"ICD-9-CM does not hold {code}")


def from_pcs(sources: Sources, spec: dict[str, Any], title: str, sides: bool) -> Iterator[Row]:
    """ICD-10-PCS: prefixes, or the shortest prefixes or the codes whose title matches."""
    wanted = re.compile(spec.get("title", ""))
    unwanted = re.compile(spec["not_title"]) if "not_title" in spec else None
    for start in map(str, spec["pcs"]):
        below = {c: t for c, t in sources.pcs.items() if c.startswith(start)}
        good = {
            c: t for c, t in below.items()
            if wanted.search(t) and not (unwanted and unwanted.search(t))
        }  # fmt: skip
        if not good:
            raise Wrong(f"ICD-10-PCS holds no such code below {start}")
        for prefix in sorted(covering(start, below, good)):
            titles = [t for c, t in good.items() if c.startswith(prefix)]
            side = sides and {side_of(t) for t in titles}
            label = short(common_words(titles) or title)
            yield Row(
                SYSTEMS["pcs"], prefix, label, PCS_SOURCE, "high",
                "exact" if len(prefix) == 7 else "prefix",
                side.pop() if side and len(side) == 1 else None, spec.get("note"),
            )  # fmt: skip


def covering(start: str, below: dict[str, str], good: dict[str, str]) -> set[str]:
    """The shortest prefixes under which every code is wanted."""
    found: set[str] = set()
    for code in good:
        for length in range(len(start), 8):
            prefix = code[:length]
            if all(c in good for c in below if c.startswith(prefix)):
                found.add(prefix)
                break
    return found


def common_words(titles: list[str]) -> str:
    """The words with which all titles begin, empty when those say too little."""
    kept = []
    for words in zip(*(title.split() for title in titles), strict=False):
        if len({word.rstrip(",") for word in words}) > 1:
            break
        kept.append(words[0] if len(set(words)) == 1 else words[0].rstrip(","))
    text = re.sub(r"[ ,]+(with|using|in|of|into|from)?$", "", " ".join(kept))
    return text if len(text.split()) >= 3 else ""


def from_sct(sources: Sources, spec: dict[str, Any]) -> Iterator[Row]:
    """SNOMED codes that a HL7 package shows with a display."""
    for code in map(str, spec["sct"]):
        if code not in sources.sct:
            raise Wrong(f"no HL7 package holds SNOMED {code} with a display")
        display, source, confidence = sources.sct[code]
        note = spec.get("note")
        yield Row(SYSTEMS["sct"], code, short(display), source, confidence, note=note)


def from_gps_title(sources: Sources, spec: dict[str, Any]) -> Iterator[Row]:
    """All concepts of the SNOMED GPS whose display fits."""
    wanted, unwanted = re.compile(spec["gps_title"]), re.compile(spec.get("not_title", "^$"))
    for code, (display, source, confidence) in sources.sct.items():
        if source == GPS_SOURCE and wanted.search(display) and not unwanted.search(display):
            yield Row(SYSTEMS["sct"], code, short(display), source, confidence)


def from_atc(sources: Sources, spec: dict[str, Any]) -> Iterator[Row]:
    """ATC codes and groups."""
    for code in spec["atc"]:
        if code not in sources.atc:
            raise Wrong(f"ATC does not hold {code}")
        match = "exact" if len(code) == 7 else "prefix"
        display = short(sources.atc[code].lower().capitalize())
        yield Row(SYSTEMS["atc"], code, display, ATC_SOURCE, match=match)


def from_names(sources: Sources, spec: dict[str, Any]) -> Iterator[Row]:
    """Products whose RxNorm name states one of the ingredients and a dose form for the whole body.

    A generic name without a form (a component, which some records hold) counts only where the
    ingredient is never used locally.
    """
    words, wanted = sources.words, spec["rxnorm_names"]["ingredients"]
    names = {drug: atc_name(sources, said) for drug, said in wanted.items()}
    whole = {drug for drug, name in names.items() if never_local(name, sources.atc, words)}
    seen: set[str] = set()
    for code, name in sources.read_names.items():
        drugs = {drug for drug, _ in name.drugs} & wanted.keys()
        loose = not name.form and not name.branded and drugs <= whole
        if drugs and (loose or name.form in words.forms):
            seen |= drugs
            yield Row(SYSTEMS["rxnorm"], code, sources.names[code], NAMES_SOURCE, "medium")
    if unseen := wanted.keys() - seen:
        raise Wrong(f"no RxNorm name holds {sorted(unseen)}")


def atc_name(sources: Sources, said: str) -> str:
    """The ATC name of an ingredient of the plan ("M01AB05 diclofenac"), checked against ATC."""
    code, _, name = said.partition(" ")
    if sources.atc.get(code) != name:
        raise Wrong(f"ATC does not say {said!r}")
    return name


def from_national(sources: Sources, name: str) -> Iterator[Row]:
    """All national procedures of one set."""
    for row in concept(sources.national, name):
        yield Row(
            row["system"], row["code"], short(row["display"]), row["source"],
            row["confidence"], row["match"],
        )  # fmt: skip


def from_row(spec: dict[str, Any]) -> Iterator[Row]:
    """A row that stands in the plan itself, with its source."""
    row = dict(spec["row"])
    row["system"] = SYSTEMS.get(row["system"], row["system"])
    yield Row(**row)


def select(sources: Sources, spec: dict[str, Any], title: str, sides: bool) -> list[Row]:
    """Rows of one selector of a plan."""
    ways: dict[str, Callable[[], Iterator[Row]]] = {
        "take": lambda: from_table(sources, concept(sources.rows, spec["take"]), spec, title),
        "members": lambda: from_table(
            sources, concept(sources.members, spec["members"]), spec, title
        ),
        "cm": lambda: from_cm(sources, spec, sides),
        "who": lambda: from_who(sources, spec, sides),
        "icd9": lambda: from_icd9(sources.icd9, spec["icd9"], title),
        "icd9p": lambda: from_icd9(sources.icd9p, spec["icd9p"], title),
        "pcs": lambda: from_pcs(sources, spec, title, sides),
        "sct": lambda: from_sct(sources, spec),
        "gps_title": lambda: from_gps_title(sources, spec),
        "atc": lambda: from_atc(sources, spec),
        "rxnorm_names": lambda: from_names(sources, spec),
        "row": lambda: from_row(spec),
        "national": lambda: from_national(sources, spec["national"]),
    }
    rows = [row for name, way in ways.items() if name in spec for row in way()]
    if not rows:
        raise Wrong(f"{spec} selects nothing")
    return [replace(r, side=r.side or side_of(r.display)) for r in rows] if sides else rows


def concept(table: dict[str, list[dict[str, str]]], name: str) -> list[dict[str, str]]:
    """All rows of one concept of the research."""
    if name not in table:
        raise Wrong(f"no concept {name!r}")
    return table[name]


@dataclass
class Builder:
    """Turns plans into rows and collects every mistake of every plan."""

    sources: Sources
    plans: dict[str, Any]
    wrong: list[str]

    def rows(self, name: str) -> list[Row]:
        """All rows of one set, each system and code once; the first mention wins.

        A row that stands for its descendants wins over the same code alone.
        """
        plan = self.plans[name]
        found: dict[tuple[str, str, bool], Row] = {}
        for spec in plan["rows"]:
            try:
                rows = (
                    self.rows(spec["set"])
                    if "set" in spec
                    else select(self.sources, spec, plan["title"], bool(plan.get("sides")))
                )
            except Wrong as mistake:
                self.wrong.append(f"{name}: {mistake}")
                continue
            for row in rows:
                key = (row.system, row.code, row.match == "prefix")
                if key not in found:
                    found[key] = row
                elif row.match == "descendants":
                    found[key] = replace(found[key], match=row.match)
        dropped = {str(c) for c in plan.get("without", ())}
        self._check_classes(name)
        kept = [r for r in found.values() if r.code not in dropped]
        return sorted(kept, key=lambda r: (r.system, r.code, r.match))

    def _check_classes(self, name: str) -> None:
        """A product enters a set only by an ATC code that the set itself covers."""
        specs = self.plans[name]["rows"]
        covered = tuple(str(code) for spec in specs for code in spec.get("atc", ()))
        for spec in specs:
            for drug, said in spec.get("rxnorm_names", {}).get("ingredients", {}).items():
                if not said.startswith(covered):
                    self.wrong.append(f"{name}: {drug} ({said}) is in no ATC group of this set")
