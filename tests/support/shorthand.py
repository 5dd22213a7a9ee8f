"""Reads the short lines of the test cases: `code words | attribute | attribute`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

TODAY = date(2026, 11, 23)

SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd11": "http://id.who.int/icd/release/11/mms",
    "icd11e": "http://id.who.int/icd/entity",
    "pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "opcs": "https://fhir.hl7.org.uk/Id/opcs-4",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "loinc": "http://loinc.org",
    "mondo": "http://purl.obolibrary.org/obo/mondo.owl",
    "omim": "http://www.omim.org",
    "orpha": "http://www.orpha.net",
    "umls": "http://terminology.hl7.org/CodeSystem/umls",
    "mesh": "http://id.nlm.nih.gov/mesh/",
    "hpo": "http://human-phenotype-ontology.org",
    "v3route": "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration",
    "local": "https://hospital.example/codes",
    "ips": "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips",
    "ops": "http://fhir.de/CodeSystem/bfarm/ops",
    "cdt": "http://www.ada.org/cdt",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "hgnc": "http://www.genenames.org/geneId",
    "edqm": "http://standardterms.edqm.eu",
}

# SNOMED qualifiers: ValueSet be-vs-laterality (HL7 Belgium).
SIDES = {
    "right": ("24028007", "Right"),
    "left": ("7771000", "Left"),
    "both sides": ("51440002", "Right and left"),
}


class ShorthandError(ValueError):
    """A case line that cannot be read; the message shows the line."""


@dataclass(slots=True)
class Line:
    """One short line: its codings, the words beside the code, and the attributes after the bars."""

    codings: list[dict[str, str]]
    text: str | None
    attributes: list[str] = field(default_factory=list)
    source: str = ""

    def take(self, pattern: str) -> re.Match[str] | None:
        """Remove and return the first attribute that matches the whole pattern."""
        for attribute in self.attributes:
            if found := re.fullmatch(pattern, attribute, re.IGNORECASE):
                self.attributes.remove(attribute)
                return found
        return None

    def flag(self, *words: str) -> str | None:
        """Remove and return the first attribute that is one of the words."""
        found = self.take("|".join(re.escape(word) for word in words))
        return found.group(0).lower() if found else None

    def done(self) -> None:
        """Complain about attributes that nobody understood, so that a typing error fails."""
        if self.attributes:
            raise ShorthandError(f"not understood: {self.attributes} in {self.source!r}")


def coding(words: str) -> dict[str, str]:
    """`icd10cm M45.9 words` as a FHIR Coding; `system=URI CODE words` takes any system."""
    found = re.fullmatch(r"(?:system=(\S+)|(\S+)) +(\S+)(?: +(.+))?", words.strip())
    if not found:
        raise ShorthandError(f"no code in {words!r}")
    uri, short, code, display = found.groups()
    if uri is None:
        if short == "nosystem":
            return {"code": code} | ({"display": display} if display else {})
        if short not in SYSTEMS:
            raise ShorthandError(f"unknown code system {short!r} in {words!r}")
        uri = SYSTEMS[short]
    result = {"system": uri, "code": code.replace("~", " ")}
    return result | ({"display": display} if display else {})


def line(item: str) -> Line:
    """Split a case line. `text some words` has no code at all."""
    head, *attributes = [part.strip() for part in item.split(" | ")]
    if head.startswith("text "):
        return Line([], head[5:].strip(), attributes, item)
    main = coding(head)
    result = Line([main], main.get("display"), attributes, item)
    while also := result.take(r"also (.+)"):
        result.codings.append(coding(also.group(1)))
    if first := result.take(r"first (.+)"):
        result.codings.insert(0, coding(first.group(1)))
    return result


def day(words: str) -> str:
    """`2019-06-02`, `2019`, `today`, `90 days ago`, `in 3 days`, `5 years ago` as a FHIR date."""
    words = words.strip()
    if re.fullmatch(r"\d{4}(-\d{2}(-\d{2}(T\S+)?)?)?", words):
        return words
    if words == "today":
        return TODAY.isoformat()
    if found := re.fullmatch(r"(\d+) days? ago", words):
        return (TODAY - timedelta(days=int(found.group(1)))).isoformat()
    if found := re.fullmatch(r"in (\d+) days?", words):
        return (TODAY + timedelta(days=int(found.group(1)))).isoformat()
    if found := re.fullmatch(r"(\d+) years? ago", words):
        return TODAY.replace(year=TODAY.year - int(found.group(1))).isoformat()
    raise ShorthandError(f"no date: {words!r}")


def concept(read: Line) -> dict[str, Any]:
    """The CodeableConcept of a line."""
    result: dict[str, Any] = {}
    if read.codings:
        result["coding"] = read.codings
    if written := read.take(r'text "(.*)"'):
        result["text"] = written.group(1)
    elif read.text:
        result["text"] = read.text
    return result


def one_concept(words: str) -> dict[str, Any]:
    """A CodeableConcept with one coding, or with text alone."""
    if words.startswith("text "):
        return {"text": words[5:]}
    single = coding(words)
    return {"coding": [single]} | ({"text": single["display"]} if "display" in single else {})


def body_sites(read: Line, sites: dict[str, str]) -> list[dict[str, Any]]:
    """Body sites from `right`, `left`, `both sides`, `site hip` or `site sct 123`."""
    result: list[dict[str, Any]] = []
    while found := read.take(r"site (.+)"):
        words = found.group(1)
        result.append(one_concept(sites.get(words, words)))
    if side := read.flag(*SIDES):
        code, display = SIDES[side]
        result.append({"coding": [{"system": SYSTEMS["sct"], "code": code, "display": display}]})
    return result


def birth_date(age: int) -> str:
    """A birth date that makes a person this many whole years old today, well off a birthday."""
    return (date(TODAY.year - age, TODAY.month, TODAY.day) - timedelta(days=100)).isoformat()
