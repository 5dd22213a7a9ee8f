"""What stands on a button that drafts: label and descriptions, made once for each set of checks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from cds_service.cards.checks import unknown_checks
from cds_service.cards.markdown import shorten
from cds_service.cdshooks.models import plain, utf16_length

if TYPE_CHECKING:
    from cds_service.knowledge.model import Knowledge

LABEL_UNITS = 80
DESCRIPTION_UNITS = 200
_KEPT: Final = 512  # of each kind; the sets of checks that happen are few


class ButtonText(NamedTuple):
    """`creates` has for each draft the id of its regimen or referral, and its description."""

    label: str
    creates: tuple[tuple[str, str], ...]


class ButtonWords:
    """All of them, for one knowledge (`knowledge.once(ButtonWords)`).

    They follow from ids and words of the knowledge: nothing of a chart may be asked with. All raise
    ValueError where the words could not be sent.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self.checks = lru_cache(_KEPT)(self._checks)
        self.course = lru_cache(_KEPT)(self._course)
        self.referral = lru_cache(_KEPT)(self._referral)

    def _checks(self, rules: tuple[str, ...]) -> tuple[str, ...]:
        """What these rules ask to check, a few words each."""
        exclusions, unknown = self._knowledge.exclusions, unknown_checks(self._knowledge)
        asking = [exclusions.get(rule) or unknown.get(rule) for rule in rules]
        return tuple(dict.fromkeys(r.check if r and r.check else "the card" for r in asking))

    def _course(
        self, regimen_id: str, checks: tuple[str, ...], protected: bool, replaced: int
    ) -> ButtonText:
        """Of a regimen; `replaced` drafts give way to it (2: several)."""
        regimen, guard = self._knowledge.regimens[regimen_id], self._knowledge.protection
        what = f"{regimen.course.display}, {regimen.course.instruction}"
        creates = [(regimen.id, _describe("order", what, checks))]
        if protected:
            # The stomach is protected for as long as the NSAID is taken (evidence.md, 3.4).
            what = f"{guard.course.display}, {guard.course.instruction}"
            creates.append((guard.id, _describe("order", what, ())))
        made = f"Replace the draft{'s' * (replaced > 1)} by" if replaced else "Draft"
        label = f"{made} {_lower(regimen.label)}{' + PPI' if protected else ''}"
        return ButtonText(_label(label, checks), tuple(creates))

    def _referral(self, referral_id: str, checks: tuple[str, ...]) -> ButtonText:
        referral = self._knowledge.referrals[referral_id]
        description = _describe("referral", referral.text, checks)
        return ButtonText(
            _label(f"Draft {_lower(referral.label)}", checks), ((referral_id, description),)
        )


def _describe(kind: str, what: str, checks: tuple[str, ...]) -> str:
    text = f"Create a draft {kind}: {what}."
    text += _fitting(checks, DESCRIPTION_UNITS - utf16_length(text), " Check first: {}.")
    return plain(shorten(text, DESCRIPTION_UNITS))


def _label(label: str, checks: tuple[str, ...]) -> str:
    """Drug, dose and days stay whole; what to check gives way, as the detail says it in full."""
    said = _fitting(checks, LABEL_UNITS - utf16_length(label), " (check {})")
    return plain(shorten(label, LABEL_UNITS) + said)


def _fitting(checks: tuple[str, ...], room: int, frame: str) -> str:
    """As many of the checks as there is room for, and how many more; nothing where none fits."""
    for kept in range(len(checks), 0, -1):
        rest = f" +{len(checks) - kept}" if kept < len(checks) else ""
        said = frame.format(", ".join(checks[:kept]) + rest)
        if utf16_length(said) <= room:
            return said
    return ""


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]
