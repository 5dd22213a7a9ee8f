"""Marks of warnings: keyed hashes (HMAC-SHA-256, RFC 2104) of whom and what a warning is about.

Without the key nobody can make a mark, nor tell whether two cards have the same one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from cds_service.clinical.assessment import Assessment, Guidance, OptionVerdict, Reason
from cds_service.clinical.chart import DraftOrder, Provenance

_MARK: Final = 32  # bytes
_CHECK: Final = 8  # bytes by which a mark of another key is known


def mark(key: bytes, whom: Sequence[str | None], assessment: Assessment, guidance: Guidance) -> str:
    """64 hex digits, equal for the same orders and findings of one patient; `whom` names client and
    patient."""
    version = assessment.knowledge_version
    message = ["mark 1", *whom, version, _all(assessment), *_what(guidance)]
    return hmac.digest(key, msgspec.json.encode(message), "sha256").hex()


def seal(key: bytes, card: str, mark: str) -> str:
    """The mark of a card so that only who has the key can tell it, and that two are the same. A
    card has a uuid of its own, so no pad is used twice."""
    pad = hmac.digest(key, b"pad 1\0" + card.encode(), "sha256")
    hidden = bytes(a ^ b for a, b in zip(bytes.fromhex(mark), pad, strict=True))
    return (hidden + _check(key, card, mark)).hex()


def unseal(key: bytes, card: str, sealed: str) -> str | None:
    """The mark of a card; None where another key sealed it."""
    data = bytes.fromhex(sealed)
    found = seal(key, card, data[:_MARK].hex())[: 2 * _MARK]  # the pad taken off again
    return found if hmac.compare_digest(_check(key, card, found), data[_MARK:]) else None


def _check(key: bytes, card: str, mark: str) -> bytes:
    return hmac.digest(key, f"check 1\0{card}\0{mark}".encode(), "sha256")[:_CHECK]


def _all(assessment: Assessment) -> list[Any]:
    """Every order that was looked at, with what came of it: a card may stand for an order that is
    not its own, and that has no card then."""
    return _sorted((g.row, g.card, _sorted(map(_order, g.orders))) for g in assessment.guidances)


def _what(guidance: Guidance) -> list[Any]:
    """All on which a warning rests, in ids of the knowledge and codes: no id of a resource, which
    changes with each draft, no date and no value, of which the rules have judged."""
    return [
        guidance.card,
        guidance.row,
        guidance.tier,
        dict(guidance.params).get("ordered"),
        _sorted(map(_order, guidance.orders)),
        _sorted((f.rule, f.role, f.tier, _codes(f.sources)) for f in guidance.findings),
        _sorted(map(_option, guidance.options)),
        _reasons(guidance.conflicts),
        _sorted((one.input, one.state, one.check) for one in guidance.not_assessed),
        _sorted(_order(order) for order in guidance.kept),
    ]


def _order(order: DraftOrder) -> Any:
    codes = _sorted((one.system, one.code) for each in order.said.elements for one in each)
    named = codes or order.label.casefold()
    return order.resource_type, named, sorted(order.kinds), order.side, sorted(order.sites)


def _option(verdict: OptionVerdict) -> Any:
    dropped = _sorted((regimen, _reasons(why)) for regimen, why in verdict.dropped)
    return (
        verdict.option,
        verdict.standing,
        verdict.regimen,
        verdict.alternatives,
        _reasons((*verdict.reasons, *verdict.for_referral)),
        dropped,
    )


def _reasons(reasons: Iterable[Reason]) -> list[Any]:
    return _sorted((r.rule, r.effect, r.unknown, _codes(r.sources)) for r in reasons)


def _codes(sources: Iterable[Provenance]) -> list[Any]:
    """The codes of facts, in whatever order and however often they are recorded."""
    return _sorted(
        (one.coding.system, one.coding.code) if one.coding else (None, one.label.casefold())
        for one in sources
    )


def _sorted(items: Iterable[Any]) -> list[Any]:
    """Each once, in one order."""
    return [msgspec.Raw(one) for one in sorted({msgspec.json.encode(item) for item in items})]
