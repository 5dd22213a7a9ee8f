"""The names of our own, all made of one base that the environment sets for the whole process.

Two bases in one process would be two vocabularies for one thing. The settings refuse a base that
cannot be used, before anything is answered.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "CDS_IDENTIFIER_BASE"
PLACEHOLDER: Final = "https://ho-cds.example.org/"
"""The base in which the files of the content are written, and which nobody owns (RFC 2606)."""

OWN: Final = (os.environ.get(VARIABLE, "").strip() or PLACEHOLDER).rstrip("/") + "/"
"""The base in force."""

FHIR_BASE: Final = f"{OWN}fhir/"
"""Base of the canonical URLs of what the service publishes in FHIR."""

EXTENSIONS: Final = f"{FHIR_BASE}StructureDefinition/"
"""Beginning of the URLs of the extensions in our ValueSets."""

_HOST, *_PATH = OWN.partition("//")[2].strip("/").split("/")
EXTENSION: Final = ".".join([*reversed(_HOST.split(".")), *_PATH])
"""Name of our member of `extension` (EX-02: globally unique)."""

CARD_TOPICS: Final = f"{FHIR_BASE}CodeSystem/card-topic"
"""System of `source.topic` of a card."""

REFERRAL_SYSTEM: Final = f"{FHIR_BASE}CodeSystem/referral"
"""Local codes of our referral drafts: no verified SNOMED CT code for such a referral was found."""


def topic_code(topic: str) -> str:
    """`ho-prophylaxis` as `hoProphylaxis`: Epic takes letters and digits only."""
    first, *rest = topic.split("-")
    return first + "".join(word.capitalize() for word in rest)


_WRITTEN: Final = f"{PLACEHOLDER}fhir/".encode()


def in_force(content: bytes) -> bytes:
    """A content file with the base in force: files are written for the one that nobody owns."""
    return content.replace(_WRITTEN, FHIR_BASE.encode()) if OWN != PLACEHOLDER else content


def as_written(content: bytes) -> bytes:
    """The way back, for who writes a content file: it stays good when the base changes."""
    return content.replace(FHIR_BASE.encode(), _WRITTEN) if OWN != PLACEHOLDER else content
