"""Reads RxNorm names: which ingredients and which dose form a name states.

The names come from a public list of about 2014 (pills only) that gives a code and its name, and
nothing else. So a product is put into a class by its name alone, and a name that cannot be read
completely belongs to no class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES_SOURCE = "cds-hooks/sandbox src/assets/medication-list.js (RxNorm extract c.2014)"
PAIR = re.compile(r"^    '?(\d+)'?: (?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"),$", re.MULTILINE)
BRAND = re.compile(r" \[[^\]]*\]$")
PART = re.compile(r"(?:\d+ HR )?(.+?) ([\d.]+) ?([a-z]+(?:/[a-z]+)?)(?: (.+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    """What `rxnorm` in the plan says about the reading of names."""

    forms: frozenset[str]
    salts: tuple[str, ...]
    local: tuple[str, ...]

    @staticmethod
    def of(plan: Mapping[str, Any]) -> Words:
        """From the part `rxnorm` of the plan."""
        salts = tuple(f" {salt}" for salt in plan["salts"])
        return Words(frozenset(plan["forms"]), salts, tuple(map(str, plan["local"])))

    def base(self, drug: str) -> str:
        """The ingredient without its salt, in lower case."""
        plain = drug.lower().removesuffix(", modified")
        while found := next((s for s in self.salts if plain.endswith(s)), None):
            plain = plain[: -len(found)]
        return plain


@dataclass(frozen=True, slots=True)
class Name:
    """A name that was read. The form is None where the name states none (a component)."""

    drugs: tuple[tuple[str, str], ...]  # ingredient in lower case, strength
    form: str | None
    branded: bool


def read_name(text: str, words: Words) -> Name | None:
    """Ingredients, strengths and dose form of a name; None when it is no such name."""
    bare = BRAND.sub("", text)
    parts = [found for part in bare.split(" / ") if (found := PART.fullmatch(part))]
    if len(parts) != len(bare.split(" / ")):
        return None
    drugs = [(words.base(p[1]), f"{float(p[2]):g} {p[3].upper()}") for p in parts]
    return Name(tuple(sorted(drugs)), parts[-1][4], bare != text)


def names_in(file: Path) -> dict[str, str]:
    """Code and name of every entry of the public list (`cuiToName`)."""
    part = file.read_text(encoding="utf-8").partition("pillToComponentSets")[0]
    return {m[1]: (m[2] or m[3]).replace("\\", "") for m in PAIR.finditer(part)}


def displays_in(folder: Path, system: str) -> dict[str, set[str]]:
    """Code and displays of one system in all FHIR files of a folder."""
    found: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*.json")):
        for code, display in _codings(json.loads(file.read_text(encoding="utf-8")), system):
            found.setdefault(code, set()).add(display)
    return found


def _codings(node: Any, system: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for item in node:
            yield from _codings(item, system)
    elif isinstance(node, dict):
        if node.get("system") == system and {"code", "display"} <= node.keys():
            yield node["code"], node["display"]
        for value in node.values():
            yield from _codings(value, system)


def disagree(one: str, other: str, words: Words) -> bool:
    """Whether two names of one code mean different drugs or strengths. Form and brand may vary."""
    a, b = read_name(one, words), read_name(other, words)
    if a is None or b is None:
        return BRAND.sub("", one).lower() != BRAND.sub("", other).lower()
    return a.drugs != b.drugs


def never_local(name: str, atc: Mapping[str, str], words: Words) -> bool:
    """Whether ATC knows a drug under no group of skin, joints, eyes, nose, lungs and the like."""
    return not any(code.startswith(words.local) for code, drug in atc.items() if drug == name)
