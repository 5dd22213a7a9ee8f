"""What differs between two states of the clinical content, in readable lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge import terminology
from cds_service.knowledge.documents import Document
from cds_service.knowledge.model import Content, ValueSet
from cds_service.knowledge.reading import SECTIONS
from cds_service.knowledge.terminology import Row

# Which heading a part of the content stands under; what is not named here is wording.
HEADINGS: Final[Mapping[str, str]] = {
    "triggers": "rule",
    "genetic": "rule",
    "early": "rule",
    "harms": "rule",
    "kept": "rule",
    "harmless": "rule",
    "never": "rule",
    "factors": "rule",
    "modifiers": "rule",
    "non_factors": "rule",
    "exclusions": "rule",
    "unknown_checks": "rule",
    "options": "option",
    "regimens": "dose",
    "protection": "dose",
    "meta": "setting",
    "override_reasons": "override reason",
    "standard_reasons": "override reason",
    "evidence": "evidence",
    "controversies": "evidence",
}
# Members of a rule that are wording and not decision.
WORDING: Final = frozenset(
    {"label", "statement", "figure", "text", "noun", "instruction", "advice"}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `heading` is codes, rule, dose, option, setting, wording, ..."""

    heading: str
    subject: str
    change: str

    def __str__(self) -> str:
        return f"{self.heading}: {self.subject}: {self.change}"


def diff(old: Content, new: Content) -> tuple[Difference, ...]:
    """All differences of two contents: codes, rules, doses, wording, sources."""
    before, after = old.value_sets, new.value_sets
    found = list(_value_sets(before.beside(after), after.beside(before)))
    for field in fields(Content):
        if field.name == "variants":
            found.extend(_variants(old, new))
        elif field.name != "value_sets":
            before, after = getattr(old, field.name), getattr(new, field.name)
            found.extend(_parts(field.name, before, after))
    return tuple(found)


def diff_as_written(old: Path, new: Path) -> tuple[Difference, ...]:
    """The same of two content directories as their files stand, where one is of an earlier program
    and does not fit the models of this one. Raises KnowledgeError where a file cannot be read."""
    found = list(_value_sets(_written_sets(old), _written_sets(new)))
    for file, key, _, _, _ in SECTIONS:
        found.extend(_items(key, _written(old / file, key), _written(new / file, key)))
    return tuple(found)


def version_as_written(content: Path) -> str:
    """The version that a content directory gives itself. Raises KnowledgeError."""
    meta = _written(content / "meta.yaml", "meta")
    return str(meta.get("meta", {}).get("version", "version not stated"))


def _written(path: Path, key: str) -> dict[str, Mapping[str, Any]]:
    """The items below a key of a file, by id; none where the file or the key is not there."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise KnowledgeError([Mistake(path.name, None, why)]) from None
    document = Document(path.name, raw)
    if document.mistakes:
        raise KnowledgeError(document.mistakes)
    part = (document.data or {}).get(key) or ()
    items = [{"id": key, **part}] if isinstance(part, dict) else part
    if not isinstance(items, list | tuple) or not all(isinstance(item, dict) for item in items):
        why = f"{key!r} holds no list of items"
        raise KnowledgeError([document.mistake((key,), why, "compare with `knowledge schema`")])
    return {str(item.get("id", number)): item for number, item in enumerate(items)}


def _written_sets(content: Path) -> dict[str, ValueSet]:
    found = {}
    for path in sorted(content.glob("valuesets/*.json")):
        try:
            one = json.loads(path.read_bytes())
            found[str(one["id"])] = one
            list(terminology.rows(one))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            why = "is no FHIR ValueSet that lists its codes"
            raise KnowledgeError([Mistake(f"valuesets/{path.name}", None, why)]) from None
    return found


# --- codes ---


def _value_sets(old: Mapping[str, ValueSet], new: Mapping[str, ValueSet]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Difference("codes", name, "value set removed")
        elif name not in old:
            yield Difference("codes", name, f"value set added, {len(_rows(new[name]))} codes")
        elif old[name] != new[name]:
            yield from _codes(name, _rows(old[name]), _rows(new[name]))


def _rows(value_set: ValueSet) -> dict[tuple[str, str, bool], Row]:
    return {(row.system, row.code, row.prefix): row for row in terminology.rows(value_set)}


def _codes(
    name: str, old: dict[tuple[str, str, bool], Row], new: dict[tuple[str, str, bool], Row]
) -> Iterator[Difference]:
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        row = after or before
        if row is None or before == after:
            continue
        star = "*" if row.prefix else ""
        words = f"{row.system} {row.code}{star} ({row.display})"
        if before is None:
            yield Difference("codes", name, f"added {words}")
        elif after is None:
            yield Difference("codes", name, f"removed {words}")
        else:
            changes = "; ".join(
                f"{part} {getattr(before, part)!s} -> {getattr(after, part)!s}"
                for part in ("display", "side", "confidence")
                if getattr(before, part) != getattr(after, part)
            )
            yield Difference("codes", name, f"{words}: {changes}")


# --- everything else ---


def _parts(name: str, old: Any, new: Any) -> Iterator[Difference]:
    return _items(name, _by_id(name, old), _by_id(name, new))


def _items(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    heading = HEADINGS.get(name, "wording")
    for key in [*before, *(k for k in after if k not in before)]:
        if key not in after:
            yield Difference(heading, key, "removed")
        elif key not in before:
            yield Difference(heading, key, f"added: {_title(after[key])}")
        elif before[key] != after[key]:
            yield from _members(heading, key, _flat(before[key]), _flat(after[key]))
    common = [k for k in after if k in before]
    if common != [k for k in before if k in after]:
        yield Difference(heading, name, f"order is now {', '.join(common)}")


def _variants(old: Content, new: Content) -> Iterator[Difference]:
    """Each variant that is new or changed, with what it says other than the card itself."""
    for key in sorted(old.variants.keys() | new.variants.keys()):
        if key not in new.variants:
            yield Difference("wording", key, "variant removed")
        elif old.variants.get(key) != new.variants[key]:
            yield Difference("wording", key, "variant")
            own = new.cards[key.partition("/")[0]].model_copy(update={"id": key})
            yield from _members("wording", key, _flat(own), _flat(new.variants[key]))


def _by_id(name: str, part: Any) -> dict[str, BaseModel]:
    if isinstance(part, BaseModel):
        return {str(getattr(part, "id", name)): part}
    items = part.values() if isinstance(part, Mapping) else part
    return {item.id: item for item in items}


def _title(item: BaseModel | Mapping[str, Any]) -> str:
    for member in ("label", "display", "citation", "text", "summary", "id"):
        said = item.get(member) if isinstance(item, Mapping) else getattr(item, member, None)
        if said:
            return str(said)
    return type(item).__name__


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Members of a model, or of what a file says, as `when.condition.within_days` -> value."""
    parts: Iterable[tuple[str, Any]]
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        parts = ((name, getattr(value, name)) for name in names)
    elif isinstance(value, dict):
        parts = value.items()
    elif (isinstance(value, list) and any(isinstance(item, dict) for item in value)) or (
        isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value)
    ):
        parts = ((str(number), item) for number, item in enumerate(value))
    else:
        return {path: value}
    found: dict[str, Any] = {}
    for name, part in parts:
        found |= _flat(part, f"{path}.{name}" if path else name)
    return found


def _members(
    heading: str, key: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in [*old, *(n for n in new if n not in old)]:
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        wording = name.rpartition(".")[2] in WORDING
        if name == "enabled":
            change = "switched on" if after else "switched off"
        else:
            change = f"{name} {_words(before)} -> {_words(after)}"
        yield Difference("wording" if wording else heading, key, change)


def _words(value: Any) -> str:
    if value is None or value in ((), []):
        return "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return repr(value) if isinstance(value, str) else str(value)
