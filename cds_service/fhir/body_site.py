"""Body site and laterality of a fact, from its code and from what stands beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from cds_service.clinical.chart import CodeSeen, Provenance
from cds_service.fhir.codings import Recognised
from cds_service.fhir.elements import Doc, codings, objects, text, texts
from cds_service.knowledge.names import NEEDS_HIP_SITE, SITE_HIP, Side

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex


def body_sites(doc: Doc, contained: Iterable[Doc] = ()) -> list[CodeSeen]:
    """Codings of bodySite (any release), of bodyStructure (R5) and of the BodyStructure resources
    that the order carries with it."""
    found = codings(doc.get("bodySite")) + codings(doc.get("bodyStructure"))
    if "item" in doc:  # DiagnosticOrder (DSTU2)
        for item in objects(doc["item"]):
            found += codings(item.get("bodySite"))
    for site in contained:
        found += codings(site.get("location")) + codings(site.get("locationQualifier"))
        for structure in objects(site.get("includedStructure")):
            for name in ("structure", "laterality", "qualifier"):
                found += codings(structure.get(name))
    return found


# Words that name no place but a side of it, or a place that the hip may be part of, in the
# languages in which records are kept.
_SIDE_WORDS = re.compile(
    r"(?:left|right|both|bilateral|unilateral|sides?|[\s,./()-])*", re.IGNORECASE
)
_MAY_BE_HIP = re.compile(
    r"\bhips?\b|pelvi|femur|femoral|thigh|acetabul|trochant|groin|\bcoxa|lower (?:limb|extremity)"
    r"|multiple|unspecified|unknown"
    r"|hüft|huft|becken|oberschenkel|hanche|bassin|cuisse|cadera|muslo|\banca|bacino|coscia|heup"
    r"|höft|hoft|quadril",
    re.IGNORECASE,
)


def unread_site(doc: Doc, found: Iterable[CodeSeen], index: CodeIndex) -> str | None:
    """A body site that is stated and that nobody recognises, in the words of the record.

    None where nothing is stated, or where the words leave the hip open: the site counts as not
    stated then. Only called where no coding is a known site.
    """
    known = [c for c in found if index.match(c.system, c.code) is not None]
    names = [*texts(doc.get("bodySite")), *(c.display for c in found if c.display)]
    codes = [c.code for c in found if c.code and c not in known]
    spoken = {c.display for c in known}
    said = [n for n in names if n not in spoken and not _SIDE_WORDS.fullmatch(n[:200])]
    if any(_MAY_BE_HIP.search(name[:200]) for name in said):
        return None
    return next((t for raw in (*said, *codes) if (t := text(raw, 60))), None)


def with_hip_site(concepts: frozenset[str], sites: frozenset[str]) -> frozenset[str]:
    """Add what an OPCS-4 code means once a hip site code stands beside it."""
    if SITE_HIP not in sites:
        return concepts
    return concepts | {NEEDS_HIP_SITE[c] for c in concepts if c in NEEDS_HIP_SITE}


def side_of(code: Recognised, site: Recognised) -> Side:
    """The side of a fact from its code and its body sites.

    Left and right together are bilateral. Where code and site disagree the side is unknown.
    """
    by_code, by_site = _one_side(code.sides), _one_side(site.sides)
    if Side.UNKNOWN in (by_code, by_site):
        return by_site if by_code is Side.UNKNOWN else by_code
    return by_code if by_code is by_site else Side.UNKNOWN


def _one_side(sides: frozenset[Side]) -> Side:
    if not sides:
        return Side.UNKNOWN
    return next(iter(sides)) if len(sides) == 1 else Side.BILATERAL


def with_unread_site(source: Provenance, site: Recognised) -> Provenance:
    """The source, with a body site that nobody recognises."""
    if site.unread is None:
        return source
    return replace(source, status=f"site {site.unread} not recognised")
