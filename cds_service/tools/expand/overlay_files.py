"""Writes what value sets gained into a site overlay, beside the site's own rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge import value_sets
from cds_service.knowledge.model import ValueSet
from cds_service.knowledge.namespaces import EXTENSIONS, as_written, in_force
from cds_service.tools.expand.plan import Answers, SetPlan
from cds_service.tools.expand.roots import EXPANDED_FROM, Key, Root, concepts, value_set_files
from cds_service.tools.expand.state import Descendant, write


def merged(
    base: Mapping[str, ValueSet], overlay: Path, plans: list[SetPlan], answers: Answers, by: str
) -> dict[str, dict[str, Any] | None]:
    """The ValueSets to write, by id; None where nothing is left to list.

    A row that an earlier run wrote is replaced where its root was answered, else it stays.
    Raises KnowledgeError where the overlay would no longer be read.
    """
    present = {
        f.stem: msgspec.json.decode(in_force(f.read_bytes())) for f in value_set_files(overlay)
    }
    found = {
        one.value_set: _with_gains(
            base[one.value_set], present.get(one.value_set), one, answers, by
        )
        for one in plans
        if not one.lacking
    }
    _check(base, {**present, **found})
    return found


def put(overlay: Path, files: Mapping[str, dict[str, Any] | None]) -> None:
    """Write them, each at one stroke."""
    folder = overlay / "valuesets"
    for id_, value_set in files.items():
        file = folder / f"{id_}.json"
        if value_set is None:
            file.unlink(missing_ok=True)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        content = as_written(msgspec.json.encode(value_set))
        write(file, msgspec.json.format(content, indent=1) + b"\n")


def _with_gains(
    base: ValueSet, present: ValueSet | None, gained: SetPlan, answers: Answers, by: str
) -> dict[str, Any] | None:
    head = {k: base[k] for k in ("resourceType", "id", "title", "copyright") if k in base}
    value_set = dict(present) if present is not None else {**head, "status": "active"}
    kept = [
        include | {"concept": concept}
        for include in (present["compose"]["include"] if present is not None else ())
        if (concept := _kept(include, answers))
    ]
    fresh: dict[str, list[dict[str, Any]]] = {}
    there = {(s, c["code"]) for s, c, _ in concepts({"compose": {"include": kept}})}
    for key in sorted(gained.gains.keys() - there):
        code, root = gained.gains[key]
        fresh.setdefault(key[0], []).append(_concept(code, root, answers, by))
    include = [*kept, *({"system": s, "concept": rows} for s, rows in fresh.items())]
    if not include:
        return None
    return value_set | {"compose": {**value_set.get("compose", {}), "include": include}}


def _kept(include: Mapping[str, Any], answers: Answers) -> list[dict[str, Any]]:
    """Rows of the site, and rows of an earlier run whose root has no newer answer."""
    answered: set[Key] = set(answers)
    rows = concepts({"compose": {"include": [include]}})
    return [
        concept
        for system, concept, said in rows
        if EXPANDED_FROM not in said or (system, said[EXPANDED_FROM]) not in answered
    ]


def _concept(code: Descendant, root: Root, answers: Answers, by: str) -> dict[str, Any]:
    answer = answers[root.key]
    release = answer.release or "release not stated"
    said = [
        ("verified-in", "valueString", f"{by}: {release}, below {root.code}, {answer.day}"),
        ("confidence", "valueCode", root.confidence),
        ("match", "valueCode", "exact"),
        (EXPANDED_FROM, "valueCode", root.code),
    ]
    if root.side:
        said.append(("side", "valueCode", root.side))
    if code.inactive:
        said.append(("note", "valueString", "inactive in this release"))
    extension = [{"url": f"{EXTENSIONS}{name}", kind: value} for name, kind, value in said]
    return {"extension": extension, "code": code.code, "display": code.display or code.code}


def _check(base: Mapping[str, ValueSet], overlay: Mapping[str, ValueSet | None]) -> None:
    mistakes = list(_mistakes(overlay))
    together = {
        id_: {**one, "compose": {"include": [*_includes(one), *_includes(overlay.get(id_))]}}
        for id_, one in base.items()
    }
    for genetic, row, code in value_sets.conflicts(together):
        reason = f"{code} would be in '{genetic}' and in '{row.concept}' at once"
        mistakes.append(Mistake(f"{row.concept}.json", None, reason))
    if mistakes:
        raise KnowledgeError(mistakes)


def _mistakes(overlay: Mapping[str, ValueSet | None]) -> Iterator[Mistake]:
    for id_, one in overlay.items():
        if one is not None:
            raw = msgspec.json.encode(one)
            yield from value_sets.read(f"{id_}.json", raw, id_, sourced=False)[1]


def _includes(value_set: ValueSet | None) -> list[Any]:
    return [] if value_set is None else list(value_set["compose"]["include"])
