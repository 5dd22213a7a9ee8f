"""The URIs of our own: whoever runs the service under another name changes them here."""

from __future__ import annotations

from typing import Final

OWN: Final = "https://ho-cds.example.org/"
FHIR_BASE: Final = f"{OWN}fhir/"
"""Base of the canonical URLs of what the service publishes in FHIR."""

EXTENSIONS: Final = f"{FHIR_BASE}StructureDefinition/"
"""Beginning of the URLs of the extensions in our ValueSet files."""

CARD_TOPICS: Final = f"{FHIR_BASE}CodeSystem/card-topic"
"""System of `source.topic` of a card."""

REFERRAL_SYSTEM: Final = f"{FHIR_BASE}CodeSystem/referral"
"""Local codes of our referral drafts: no verified SNOMED CT code for such a referral was found."""
