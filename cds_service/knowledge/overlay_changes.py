"""The changes of a site overlay, applied to the content one kind after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from cds_service.knowledge import checks, overlay_schema, schema, variants
from cds_service.knowledge.checks import Placed
from cds_service.knowledge.documents import Document, parts, validated
from cds_service.knowledge.model import Content
from cds_service.knowledge.spelling import nearest
from cds_service.knowledge.terminology import CodeIndex

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

SWITCHABLE: Final = ("factors", "modifiers", "non_factors", "exclusions")
RULES: Final = ("triggers", "genetic", *SWITCHABLE)
LIMITS: Final = tuple(overlay_schema.LimitChange.model_fields)
# A course whose numbers change must say so in its words, or a card would contradict its draft.
NUMBERS: Final = ("dose", "unit", "per_day", "days", "code")


@dataclass
class Change:
    """Content on its way to what the site wants. Mistakes go into the document."""

    content: Content
    index: CodeIndex
    document: Document

    def wrong(self, path: Path, reason: str, mend: str | None = None) -> None:
        """Note a mistake at a place below `overlay`."""
        self.document.mistakes.append(self.document.mistake(("overlay", *path), reason, mend))

    def unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        """Note that the overlay names something that does not exist."""
        self.wrong(path, f"there is no {what} '{name}'", nearest(name, known))

    def put(self, kind: str, item: Any) -> None:
        """Put an item in its part of the content, over the one of its id or behind all."""
        present = getattr(self.content, kind)
        changed: Any = (
            tuple(item if one.id == item.id else one for one in present)
            if isinstance(present, tuple)
            else {**present, item.id: item}
        )
        self.content = replace(self.content, **{kind: changed})

    def rules(self) -> dict[str, tuple[str, Any]]:
        """Every rule by id, with the name of its part of the content."""
        found = {n: (k, rule) for k in RULES for n, rule in getattr(self.content, k).items()}
        return found | {one.id: ("unknown_checks", one) for one in self.content.unknown_checks}


def apply(change: Change, overlay: overlay_schema.Overlay) -> None:
    """Apply all that an overlay wants. What is wrong or not allowed is noted and left out."""
    _switch_rules(change, overlay.rules)
    _switch_options(change, overlay.options)
    _change_regimens(change, overlay.regimens)
    for number, regimen in enumerate(overlay.new_regimens):
        _add_regimen(change, ("new_regimens", number), regimen)
    _order_regimens(change, overlay.regimen_order)
    _change_protection(change, overlay.protection)
    _change_limits(change, overlay.limits)
    _change_meta(change, overlay)
    _change_words(change, overlay)
    variants.add(change, overlay)
    if not change.document.mistakes:
        _check(change, overlay)


# --- switches ---


def _switch_rules(change: Change, switches: Mapping[str, bool]) -> None:
    rules = change.rules()
    for name, on in switches.items():
        if name not in rules:
            change.unknown(("rules", name), "rule", name, rules)
            continue
        kind, rule = rules[name]
        reason = None if on else _fixed(name, kind, rule)
        if kind not in RULES:
            reason = f"'{name}' has no switch"
        if reason:
            change.wrong(("rules", name), reason, "remove the line")
        else:
            change.put(kind, rule.model_copy(update={"enabled": on}))


def _fixed(name: str, kind: str, rule: Any) -> str | None:
    """Why a rule cannot be switched off, or None."""
    if kind in ("genetic", "triggers"):
        return f"'{name}' carries the cards on genetic HO and cannot be switched off"
    if getattr(rule, "floor", False):
        return f"'{name}' is a safety floor and cannot be switched off"
    return None


def _switch_options(change: Change, switches: Mapping[str, bool]) -> None:
    for name, on in switches.items():
        option = change.content.options.get(name)
        if option is None:
            change.unknown(("options", name), "option", name, change.content.options)
        else:
            change.put("options", option.model_copy(update={"enabled": on}))


# --- courses ---


def _change_regimens(change: Change, regimens: Mapping[str, overlay_schema.RegimenChange]) -> None:
    for name, wanted in regimens.items():
        path = ("regimens", name)
        regimen = change.content.regimens.get(name)
        if regimen is None:
            change.unknown(path, "regimen", name, change.content.regimens)
            continue
        said = wanted.model_dump(exclude_none=True)
        if said.get("drug", regimen.drug) != regimen.drug:
            # Exclusions of a drug go by the id of its regimen, so another drug needs another id.
            reason = f"another drug cannot stand under the id '{name}'"
            change.wrong((*path, "drug"), reason, "switch it off and use new_regimens")
            continue
        _same_words(change, path, regimen.course, said)
        change.put("regimens", _changed(regimen, said))


def _change_protection(change: Change, wanted: overlay_schema.ProtectionChange | None) -> None:
    if wanted is not None:
        protection, said = change.content.protection, wanted.model_dump(exclude_none=True)
        _same_words(change, ("protection",), protection.course, said)
        change.content = replace(change.content, protection=_changed(protection, said))


def _same_words(
    change: Change, path: Path, course: schema.DoseForm, said: Mapping[str, Any]
) -> None:
    """Numbers and words of a course change together."""
    now = course.model_dump() | said.get("course", {})
    moved = [name for name in NUMBERS if now[name] != getattr(course, name)]
    if moved and not ("label" in said and "instruction" in said["course"]):
        reason = f"{', '.join(moved)} changes, but the words on the card stay"
        change.wrong((*path, "course"), reason, "give label and course.instruction too")


def _add_regimen(change: Change, path: Path, regimen: schema.Regimen) -> None:
    content = change.content
    if regimen.id in content.regimens:
        reason = f"the regimen '{regimen.id}' exists"
        change.wrong((*path, "id"), reason, "change it under regimens, or choose another id")
        return
    if regimen.id == content.protection.id:  # a draft is found by this id
        reason = f"'{regimen.id}' is the id of the protection that goes with an NSAID"
        change.wrong((*path, "id"), reason, "choose another id")
        return
    # What excludes a drug excludes it in every course of it.
    same = {name for name, other in content.regimens.items() if other.drug == regimen.drug}
    for rule in content.exclusions.values():
        if same & set(rule.applies_to):
            targets = (*rule.applies_to, regimen.id)
            change.put("exclusions", rule.model_copy(update={"applies_to": targets}))
    change.put("regimens", regimen)
    option = content.options[regimen.option]
    order = (*option.regimens, regimen.id)
    change.put("options", option.model_copy(update={"regimens": order}))


def _order_regimens(change: Change, order: tuple[str, ...]) -> None:
    option = change.content.options["nsaid"]
    if order and sorted(order) != sorted(option.regimens):
        reason = f"regimen_order must name each of {', '.join(option.regimens)} once"
        change.wrong(("regimen_order",), reason, "name all of them")
    elif order:
        change.put("options", option.model_copy(update={"regimens": order}))


# --- windows and thresholds ---


def _change_limits(change: Change, limits: Mapping[str, overlay_schema.LimitChange]) -> None:
    rules = change.rules()
    for name, wanted in limits.items():
        path = ("limits", name)
        if name not in rules:
            change.unknown(path, "rule", name, rules)
            continue
        kind, rule = rules[name]
        if getattr(rule, "floor", False):
            reason = f"'{name}' is a safety floor; its limits cannot be changed"
            change.wrong(path, reason, "remove the line")
            continue
        said = wanted.model_dump(exclude_none=True)
        if _has_limits(change, path, rule, said):
            data = _replaced(rule.model_dump(exclude_none=True), said)
            result = validated(type(rule), data, change.document, ("overlay", *path))
            if result is not None:
                change.put(kind, result)


def _has_limits(change: Change, path: Path, rule: Any, said: Mapping[str, Any]) -> bool:
    """Whether each changed limit stands in the rule with one single value."""
    present = [(part, value) for _, part, value in parts(rule) if part in LIMITS]
    held = {name: {v for part, v in present if part == name and v is not None} for name in LIMITS}
    for limit in said:
        if not held[limit]:
            has = ", ".join(name for name in LIMITS if held[name])
            mend = f"it has {has}" if has else "it has no limits"
            change.wrong((*path, limit), f"'{rule.id}' has no {limit}", mend)
        elif len(held[limit]) > 1:
            values = ", ".join(str(value) for value in sorted(held[limit]))
            reason = f"'{rule.id}' has several {limit} ({values}); one cannot replace them all"
            change.wrong((*path, limit), reason, "remove the line")
    return all(len(held[limit]) == 1 for limit in said)


def _replaced(data: Any, said: Mapping[str, Any]) -> Any:
    if isinstance(data, dict):
        return {k: said[k] if k in said else _replaced(v, said) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_replaced(item, said) for item in data]
    return data


# --- words and settings ---


def _change_meta(change: Change, overlay: overlay_schema.Overlay) -> None:
    said: dict[str, Any] = {}
    if overlay.contact:
        said["contact"] = overlay.contact
    if overlay.tier_high_at:
        said["tier_high_at"] = overlay.tier_high_at
    if overlay.adequate:
        said["adequate"] = overlay.adequate.model_dump(exclude_none=True)
    change.content = replace(change.content, meta=_changed(change.content.meta, said))


def _change_words(change: Change, overlay: overlay_schema.Overlay) -> None:
    for reason in overlay.override_reasons:
        # In words of the site it still means the same.
        present = change.content.override_reasons.get(reason.id)
        standard = reason.standard or (present.standard if present else None)
        change.put("override_reasons", reason.model_copy(update={"standard": standard}))
    for link in overlay.links:
        change.put("links", link)
    for name, reasons in overlay.card_override.items():
        card = change.content.cards.get(name)
        if card is None:
            change.unknown(("card_override", name), "card", name, change.content.cards)
        else:
            change.put("cards", card.model_copy(update={"override": reasons}))
    for name, wanted in overlay.referrals.items():
        referral = change.content.referrals.get(name)
        if referral is None:
            change.unknown(("referrals", name), "referral", name, change.content.referrals)
        else:
            change.put("referrals", _changed(referral, wanted.model_dump(exclude_none=True)))


def _changed(item: M, said: Mapping[str, Any]) -> M:
    """The item with some members changed, one level of nesting deep."""
    data = item.model_dump()
    for name, value in said.items():
        data[name] = {**data[name], **value} if isinstance(value, dict) else value
    return type(item).model_validate(data)


# --- the result ---


def _check(change: Change, overlay: overlay_schema.Overlay) -> None:
    """Names and codes that the overlay brings must exist; an option must be left."""
    content, document = change.content, change.document
    placed = brought(change, overlay)
    document.mistakes.extend(checks.check(placed, checks.known(content), change.index))
    for name, reasons in overlay.card_override.items():
        for number, said in enumerate(reasons):
            if said not in content.override_reasons:
                place = ("card_override", name, number)
                change.unknown(place, "override reason", said, content.override_reasons)
    _something_left(change)


def brought(change: Change, overlay: overlay_schema.Overlay) -> list[Placed]:
    """The items that an overlay adds or changes, as they are with it, and where it says so."""
    content, document = change.content, change.document
    placed = [
        *_placed(document, "regimen", "new_regimens", overlay.new_regimens),
        *_placed(document, "link", "links", overlay.links),
        *_placed(document, "override reason", "override_reasons", overlay.override_reasons),
    ]
    for kind, key, names, items in (
        ("regimen", "regimens", overlay.regimens, content.regimens),
        ("referral", "referrals", overlay.referrals, content.referrals),
    ):
        placed += [Placed(kind, items[n], document, ("overlay", key, n)) for n in names]
    for card, named in overlay.variants.items():
        for name in named:
            item = content.variants[variants.key_of(card, name)]
            placed.append(Placed("card", item, document, ("overlay", "variants", card, name)))
    if overlay.protection:
        where = ("overlay", "protection")
        placed.append(Placed("protection", content.protection, document, where))
    return placed


def _placed(
    document: Document, kind: str, key: str, items: Iterable[BaseModel]
) -> Iterable[Placed]:
    for number, item in enumerate(items):
        yield Placed(kind, item, document, ("overlay", key, number))


def _something_left(change: Change) -> None:
    content = change.content
    if not any(option.enabled for option in content.options.values()):
        change.wrong(("options",), "every option is switched off", "leave one on")
    nsaid = content.options["nsaid"]
    if nsaid.enabled and not any(content.regimens[name].enabled for name in nsaid.regimens):
        reason = "every NSAID course is switched off, but the option 'nsaid' is on"
        change.wrong(("regimens",), reason, "switch off the option nsaid instead")
