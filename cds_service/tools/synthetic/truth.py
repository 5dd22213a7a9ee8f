"""What must come for a patient, by how the patient was built. The rules of the service are not
asked: this is the card table of the clinical decisions (sections 3 to 5), written once more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.tools.synthetic.catalogue import Piece

# Genetic disease and kind of order -> row and card (decisions, section 4, rows 1 to 5).
_GENETIC = {
    ("fop", "arthroplasty"): ("1", "fop-surgery"),
    ("fop", "surgery"): ("1", "fop-surgery"),
    ("fop", "block"): ("1", "fop-block"),
    ("fop", "biopsy"): ("2", "fop-biopsy"),
    ("fop", "excision"): ("2", "fop-biopsy"),
    ("fop", "excision-ho"): ("2", "fop-biopsy"),
    ("fop", "intramuscular"): ("3", "fop-intramuscular"),
    ("poh", "biopsy"): ("4", "poh-biopsy"),
    ("poh", "excision"): ("4", "poh-biopsy"),
    ("poh", "excision-ho"): ("4", "poh-biopsy"),
    ("poh", "arthroplasty"): ("5", "poh-surgery"),
    ("poh", "surgery"): ("5", "poh-surgery"),
}
# FOP that is on record and not only suspected: every order counts, a vaccine as what it is.
_ON_RECORD = frozenset({"fop", "fop-orpha-resolved"})
_VACCINE = "fop-vaccine-intramuscular"
_CUTS = frozenset({"biopsy", "excision", "excision-ho"})
_GNAS = frozenset({"gnas", "gnas-related"})
_HO_OF_A_HIP = frozenset({"previous-ho-hip", "previous-ho-site-not-stated"})
_NSAIDS = ("celecoxib", "indomethacin")


@dataclass(frozen=True, slots=True)
class Expected:
    """One card that must come, or a silence (`card` None): row, tier, and what is offered."""

    row: str
    card: str | None
    tier: str = "none"
    offered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """The answer to a call. `silent_row` says why no card comes, None where nothing is decided."""

    status: int
    cards: tuple[Expected, ...] = ()
    silent_row: str | None = None


def truth(trigger: Piece, pieces: Iterable[Piece]) -> Truth:
    """What follows from an order and the pieces of a chart."""
    listed = list(pieces)
    withheld = next((p for p in listed if p.section == "withheld"), None)
    told_elsewhere = any(p.section == "genetic" and "without" in p.more for p in listed)
    if withheld is not None and withheld.id == "conditions-missing" and not told_elsewhere:
        return Truth(412)
    cards = list(_main(trigger, listed, withheld))
    return _with_hints(cards, listed, str(trigger.more["kind"]))


def _main(trigger: Piece, listed: list[Piece], withheld: Piece | None) -> Iterable[Expected]:
    kind = str(trigger.more["kind"])
    disease = next((str(p.more["disease"]) for p in listed if p.section == "genetic"), None)
    if disease is not None:
        if (disease, kind) in _GENETIC:
            row, card = _GENETIC[disease, kind]
            turned = any(p.section == "genetic" and p.id in _ON_RECORD for p in listed)
            yield Expected(row, _VACCINE if turned and "vaccine" in trigger.more else card)
        return
    blind = withheld is not None and withheld.id == "conditions-failed"
    if kind == "arthroplasty":
        yield _hip([trigger, *listed], blind, withheld)
    elif trigger.rule == "hip-release-order" and _HO_OF_A_HIP.isdisjoint(p.rule for p in listed):
        yield Expected("9q", "ho-excision-question")
    elif kind == "excision-ho":
        yield _excision([trigger, *listed])
    elif blind:
        yield Expected("11", "not-assessed")


def _hip(listed: list[Piece], blind: bool, withheld: Piece | None) -> Expected:
    tier = tier_of_pieces(listed)
    if ordered := [str(p.more["gives"]) for p in listed if "gives" in p.more]:
        return _ordered(ordered[0], tier, listed)
    if tier == "none" and blind:
        return Expected("11", "not-assessed")
    if tier == "none" and withheld is not None and withheld.more.get("failed") == "procedures":
        return Expected("12", "partly-assessed")
    if tier == "none":
        return Expected("10", None)
    offered = _offered(listed)
    if tier == "moderate":
        return Expected("9", "moderate-risk", tier, offered)
    if offered or _open(listed) or "radiotherapy" not in _removed(listed):
        return Expected("7", "high-risk", tier, offered)
    closing = {p.rule for p in listed if "radiotherapy" in p.effect.removes}
    untested = closing <= {"pregnancy-not-excluded", "pregnancy-not-excluded-nsaid"}
    return Expected("8", "high-risk-test-first" if untested else "high-risk-no-option", tier)


def _ordered(given: str, tier: str, listed: list[Piece]) -> Expected:
    """Row 6: silence, unless what is ordered is what the chart speaks against."""
    removed = _removed(listed)
    too_long = any("long" in piece.more for piece in listed)
    if given == "radiotherapy":
        against = "radiotherapy" in removed
    else:
        told = frozenset(drug for piece in listed for drug in piece.effect.against_ordered)
        against = "nsaid" in removed or given in removed | told
    # Without a factor the EHR's own check speaks, save of a course that is too long.
    if too_long or (against and tier != "none"):
        # Where nothing is at stake nothing else is offered.
        offered = _offered(listed) if tier != "none" else ()
        return Expected("6c", "prophylaxis-conflict", tier, offered)
    return Expected("6", None)


def _excision(listed: list[Piece]) -> Expected:
    return Expected("9a", "ho-excision", "high", _offered(listed))


def tier_of_pieces(listed: list[Piece]) -> str:
    """High by one high factor or two moderate ones; factors of one group count once."""
    opened = any(p.rule == "previous-hip-surgery" and p.effect.tier != "none" for p in listed)
    factors = [
        p
        for p in listed
        if p.effect.tier != "none"
        # A conversion counts once with the surgery that it follows.
        and not (opened and p.rule == "conversion-hip-arthroplasty")
    ]
    if any(p.effect.tier == "high" for p in factors):
        return "high"
    groups = {p.effect.group or p.rule for p in factors}
    return "high" if len(groups) > 1 else "moderate" if groups else "none"


def _removed(listed: list[Piece]) -> frozenset[str]:
    return frozenset(option for piece in listed for option in piece.effect.removes)


def _open(listed: list[Piece]) -> list[str]:
    """The NSAIDs that nothing removes, drafted or left to the clinician."""
    removed = _removed(listed)
    return [] if "nsaid" in removed else [n for n in _NSAIDS if n not in removed]


def _offered(listed: list[Piece]) -> tuple[str, ...]:
    """Celecoxib before indomethacin, and radiotherapy, without what is removed or withheld."""
    removed = _removed(listed)
    withheld = frozenset(option for piece in listed for option in piece.effect.withholds)
    nsaids = [] if "nsaid" in withheld else [n for n in _open(listed) if n not in withheld]
    radiotherapy = [] if "radiotherapy" in removed | withheld else ["radiotherapy"]
    return (*nsaids[:1], *radiotherapy)


def _with_hints(cards: list[Expected], listed: list[Piece], kind: str) -> Truth:
    """One card about genetic HO: that of a disease on record, else a question about one that
    weighs more, else what only informs, else a relative's disease."""
    genetic = {str(p.more["disease"]) for p in listed if p.section == "genetic"}
    open_ = {"fop"} - genetic if genetic else {"fop", "poh"}
    hints = {(str(p.more["card"]), p.rule) for p in listed if "card" in p.more}
    asked = {rule for card, rule in hints if card == "genetic-question"} & open_
    related = {rule for card, rule in hints if card == "family-history"} & open_
    informed = not genetic and kind in _CUTS and any(p.rule in _GNAS for p in listed)
    spoken = [card for card in cards if card.card]
    silent = next((card.row for card in cards if not card.card), None)
    if any((disease, kind) in _GENETIC for disease in genetic):
        return Truth(200, tuple(spoken), silent)
    if asked:
        spoken.append(Expected("question", "genetic-question"))
    elif informed:
        spoken.append(Expected("4i", "gnas-biopsy"))
    elif related:
        spoken.append(Expected("family", "family-history"))
    return Truth(200, tuple(spoken), silent)
