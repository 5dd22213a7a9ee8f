"""Conditions that the words of an entry name, and that speak against an option."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import Provenance, Unidentified
from cds_service.fhir.context import ReadContext
from cds_service.fhir.elements import texts
from cds_service.fhir.unidentified import name_in
from cds_service.knowledge.names import InputName


def conditions_in_words(
    code: object, look: ReadContext, source: Provenance, *, over: bool
) -> Iterator[Unidentified]:
    """What a code that says nothing here names in its words; `over`: it is past. One entry for
    those that speak against the same options."""
    conditions = look.mentions.conditions
    if groups := conditions.named(texts(code), over=over):
        named = replace(source, label=name_in(code))
        for ids, against, beside in conditions.apart(groups):
            yield Unidentified(
                InputName.CONDITIONS, named, named=ids, against=against, beside=beside
            )
