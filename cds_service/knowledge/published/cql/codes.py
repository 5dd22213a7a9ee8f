"""The library HOCodes: one function for each value set, as the service itself matches codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.knowledge.code_systems import SYSTEMS
from cds_service.knowledge.model import Knowledge, ValueSet
from cds_service.knowledge.published.cql.text import comment, listing, literal, quoted
from cds_service.knowledge.published.value_sets import is_prefix, published, rows_of

HEAD = """\
// Codes. A function tells whether a concept is in a value set. Some rows of a value set stand for
// every code that begins so: no expansion holds those, so the function looks at the beginning, too.
// Codes of ICD-10 and its like are also found without dots.
library HOCodes version {version}

using FHIR version '4.0.1'

include FHIRHelpers version '4.0.1' called FHIRHelpers
"""
BEGINS = """\
context Patient

// Dots and case have no meaning in these code systems.
define function "Plain"(system System.String, code System.String):
  if system in {dotless} then Upper(ReplaceMatches(code, '[.]', ''))
    else if system in {caseless} then Upper(code)
    else code

define function "Begins"(
    concept FHIR.CodeableConcept, system System.String, starts List<System.String>):
  exists (
    concept.coding C
      let plain: "Plain"(system, C.code.value)
      where C.system.value = system
        and exists (starts S where StartsWith(plain, S))
  )

define function "Is One Of"(
    concept FHIR.CodeableConcept, system System.String, codes List<System.String>):
  exists (
    concept.coding C
      where C.system.value = system
        and "Plain"(system, C.code.value) in codes
  )
"""


def codes_library(knowledge: Knowledge, used: Iterable[str]) -> str:
    """The text of HOCodes for the value sets that the other libraries use."""
    sets = [published(knowledge, id_) for id_ in sorted(set(used))]
    declared = "\n".join(
        f"valueset {quoted(one['id'])}: {literal(one['url'])} version {literal(one['version'])}"
        for one in sets
    )
    begins = BEGINS.format(
        dotless=listing(uri for uri, system in SYSTEMS.items() if not system.dots),
        caseless=listing(uri for uri, system in SYSTEMS.items() if not system.cased),
    )
    head = HEAD.format(version=literal(knowledge.version))
    parts = [head, declared + "\n", begins, *(_function(one) for one in sets)]
    return "\n".join(parts)


def _function(value_set: ValueSet) -> str:
    """The function of a value set, and before it the lists that it looks through.

    A list is a define of its own: engines look a function up by all that it is called with.
    """
    id_ = value_set["id"]
    starts = _starts(value_set)
    tests = [f"concept in {quoted(id_)}"]
    lists: list[str] = []
    for name, rows in (("Begins", starts), ("Is One Of", _others(value_set, starts))):
        for system, codes in rows.items():
            listed = quoted(f"{id_} codes {len(lists) + 1}")
            lists.append(f"define {listed}:\n  {listing(codes)}\n\n")
            tests.append(f"{quoted(name)}(concept, {literal(system)}, {listed})")
    body = "\n      or ".join(tests)
    return (
        f"{''.join(lists)}{comment(value_set['title'])}\n"
        f"define function {quoted('in ' + id_)}(concept FHIR.CodeableConcept):\n"
        f"  concept is not null\n    and (\n      {body}\n    )\n"
    )


def _starts(value_set: ValueSet) -> Mapping[str, list[str]]:
    """System to beginnings of codes, as `Plain` gives them."""
    found: dict[str, list[str]] = {}
    for system, concept in rows_of(value_set):
        if is_prefix(concept):
            found.setdefault(system, []).append(_plain(system, concept["code"]))
    return found


def _others(value_set: ValueSet, starts: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """System to codes as `Plain` gives them, where that is not how the value set writes them."""
    found: dict[str, list[str]] = {}
    for system, concept in rows_of(value_set):
        plain = _plain(system, concept["code"])
        if plain != concept["code"] and not plain.startswith((*starts.get(system, ()),)):
            found.setdefault(system, []).append(plain)
    return found


def _plain(system: str, code: str) -> str:
    known = SYSTEMS.get(system)
    if known is not None and not known.dots:
        return code.replace(".", "").upper()
    return code.upper() if known is not None and not known.cased else code
