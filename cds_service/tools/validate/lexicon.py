"""Names of codes, and the systems that hold a code: what the value sets and the ICD list tell."""

from __future__ import annotations

from cds_service.knowledge.code_systems import CPT, ICD10CM, SYSTEMS, good_check_digit, has_form
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terminology import CodeMatch, normal_code, rows
from cds_service.tools.validate import icd
from cds_service.tools.validate.displays import same_name


class Lexicon:
    """Looks codes up beyond what the service itself needs."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.index = knowledge.index
        self._names: dict[tuple[str, str], list[str]] = {}
        self._titles = {id_: str(vs.get("title", "")) for id_, vs in knowledge.value_sets.items()}
        self._named: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
        for row in (row for found in knowledge.value_sets.values() for row in rows(found)):
            if row.prefix or row.confidence == "low":
                continue
            names = self._names.setdefault((row.system, normal_code(row.system, row.code)), [])
            if row.display != row.code and row.display not in names:
                names.append(row.display)
            match = self.index.match(row.system, row.code)
            concepts = match.concepts if match else frozenset()
            self._named.setdefault((row.system, row.display.casefold()), (row.code, concepts))

    def listed(self, uri: str, code: str) -> bool:
        """Whether a value set names exactly this code."""
        return (uri, normal_code(uri, code)) in self._names

    def names(self, uri: str, code: str) -> tuple[str, ...]:
        """All names of a code that are known here. Ours for CPT codes are paraphrases."""
        names = list(self._names.get((uri, normal_code(uri, code)), ()))
        if uri == ICD10CM and (title := icd.title(code)):
            names.append(title)
        return tuple(names)

    def titles(self, match: CodeMatch) -> tuple[str, ...]:
        """What the value sets of a code are called: synonyms of its name, in a way."""
        return tuple(f"{self._titles.get(c, '')} {c}" for c in match.concepts)

    def official(self, uri: str) -> bool:
        """Whether the names of this system are its owner's words."""
        return uri != CPT

    def named_like(self, uri: str, display: str, match: CodeMatch) -> str | None:
        """The code of the same system that has this display as its name and means another thing."""
        code, concepts = self._named.get((uri, display.strip().casefold()), ("", frozenset()))
        return code if code and concepts.isdisjoint(match.concepts) else None

    def elsewhere(self, uri: str, code: str) -> list[tuple[str, str]]:
        """(system, name) of the other systems that have this code, as far as is known here."""
        found = []
        for other, system in SYSTEMS.items():
            if other == uri or system.form is None or not has_form(other, code):
                continue
            match = self.index.match(other, code)
            if match is None or not good_check_digit(other, code):
                continue
            if other == ICD10CM and not self.listed(other, code) and not icd.exists(code):
                continue
            found.append((other, match.display))
        return found

    def agrees(self, display: str | None, uri: str, code: str) -> bool:
        """Whether a display is a name of the code."""
        return bool(display) and any(same_name(display or "", n) for n in self.names(uri, code))
