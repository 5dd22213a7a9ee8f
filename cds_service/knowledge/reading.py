"""Content from its files: all of them read and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge import (
    checks,
    completeness_schema,
    order_schema,
    profile_schema,
    schema,
    services,
    word_schema,
)
from cds_service.knowledge import value_sets as valuesets
from cds_service.knowledge.checks import Placed
from cds_service.knowledge.compiled import Base
from cds_service.knowledge.documents import Document, validated
from cds_service.knowledge.model import Content, ValueSet, ValueSets
from cds_service.knowledge.names import VALUE_SETS
from cds_service.knowledge.namespaces import in_force
from cds_service.knowledge.spelling import nearest
from cds_service.knowledge.terminology import CodeIndex
from cds_service.knowledge.version import digest, version

# File, key in it, kind of item in messages, model, and whether the key holds a list of items.
SECTIONS: Final[Sequence[tuple[str, str, str, type[BaseModel], bool]]] = (
    ("meta.yaml", "meta", "meta", schema.Meta, False),
    ("services.yaml", "services", "service", schema.HookService, True),
    ("triggers.yaml", "triggers", "trigger", schema.Trigger, True),
    ("triggers.yaml", "harms", "harm", order_schema.Harm, True),
    ("triggers.yaml", "kept", "kept order", order_schema.KeptOrder, True),
    ("harmless.yaml", "harmless", "harmless order", order_schema.HarmlessOrder, True),
    ("harmless.yaml", "never", "never harmless", order_schema.NeverHarmless, True),
    ("genetic.yaml", "genetic", "genetic", schema.Genetic, True),
    ("genetic.yaml", "early", "early signs", order_schema.EarlySigns, False),
    ("factors.yaml", "factors", "factor", schema.Factor, True),
    ("modifiers.yaml", "modifiers", "modifier", schema.Modifier, True),
    ("non_factors.yaml", "non_factors", "non-factor", schema.NonFactor, True),
    ("exclusions.yaml", "exclusions", "exclusion", schema.Exclusion, True),
    ("unknown_checks.yaml", "unknown_checks", "unknown check", schema.UnknownCheck, True),
    ("completeness.yaml", "signals", "signal", completeness_schema.SourceSignal, True),
    ("completeness.yaml", "states", "state", completeness_schema.StateText, True),
    ("completeness.yaml", "effects", "effect", completeness_schema.StateEffect, True),
    ("completeness.yaml", "meanings", "meaning", completeness_schema.InputMeaning, True),
    ("options.yaml", "options", "option", schema.Option, True),
    ("options.yaml", "regimens", "regimen", schema.Regimen, True),
    ("options.yaml", "protection", "protection", schema.Protection, False),
    ("cards.yaml", "cards", "card", schema.CardText, True),
    ("cards.yaml", "override_reasons", "override reason", schema.ReasonText, True),
    ("cards.yaml", "standard_reasons", "standard reason", schema.CodedReason, True),
    ("cards.yaml", "links", "link", schema.LinkText, True),
    ("cards.yaml", "referrals", "referral", schema.Referral, True),
    ("words.yaml", "drug_words", "drug words", word_schema.DrugWords, True),
    ("words.yaml", "condition_words", "condition words", word_schema.ConditionWords, True),
    ("languages.yaml", "languages", "language", word_schema.Language, True),
    ("words.yaml", "unspecified_drugs", "unspecified drug", word_schema.Unspecified, True),
    ("words.yaml", "harmless_allergens", "harmless allergen", word_schema.HarmlessAllergen, True),
    ("words.yaml", "result_words", "result words", word_schema.ResultWords, True),
    ("profiles.yaml", "profiles", "profile", profile_schema.Profile, True),
    ("evidence.yaml", "evidence", "evidence", schema.Evidence, True),
    ("evidence.yaml", "controversies", "controversy", schema.Controversy, True),
)
FILES: Final = tuple(dict.fromkeys(section[0] for section in SECTIONS))


def read(directory: Path) -> tuple[Base, list[Placed]]:
    """The content of a directory, checked, and where each item of it stands. Raises KnowledgeError
    with every mistake found, each with file, line, reason and, where it is known, how to mend it.
    """
    files: dict[str, bytes] = {}
    mistakes: list[Mistake] = []
    value_sets = _value_sets(directory, files, mistakes)
    documents = _documents(directory, files, mistakes)
    placed = [one for section in SECTIONS for one in _section(section, documents)]
    for document in documents.values():
        mistakes.extend(document.mistakes)
    index = CodeIndex.of(value_sets.values())
    known = _known(documents, [Path(name).stem for name in files if name.endswith(".json")])
    mistakes.extend(checks.check(placed, known, index))
    mistakes.extend(services.repeated(placed))
    if "card" in known:
        mistakes.extend(checks.missing_cards(known["card"], documents["cards.yaml"]))
    if "signal" in known:
        mistakes.extend(checks.missing_signals(known["signal"], documents["completeness.yaml"]))
    mistakes.extend(checks.incomplete_meanings(placed, documents.get("completeness.yaml")))
    if mistakes:
        raise KnowledgeError(sorted(mistakes, key=lambda m: (m.file, m.line or 0)))
    return Base(_content(placed, value_sets), index, digest(files)), placed


def shipped_version(content: Path) -> str:
    """Version of the content of a directory as `load` would give it, from its bytes alone.

    Nothing is checked. Raises OSError where a file is missing.
    """
    sets = sorted((content / "valuesets").glob("*.json"))
    files = {name: (content / name).read_bytes() for name in FILES}
    files |= {f"valuesets/{file.name}": file.read_bytes() for file in sets}
    return version(yaml.safe_load(files["meta.yaml"])["meta"]["version"], digest(files), None)


def _documents(
    directory: Path, files: dict[str, bytes], mistakes: list[Mistake]
) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for name in FILES:
        try:
            files[name] = (directory / name).read_bytes()
        except OSError as error:
            mistakes.append(
                Mistake(name, None, f"cannot be read: {error.strerror}", "add the file")
            )
            continue
        found[name] = Document(name, in_force(files[name]))
    for stray in sorted(directory.glob("*.y*ml")):
        if stray.name not in FILES:
            mend = nearest(stray.name, FILES)
            mistakes.append(Mistake(stray.name, None, "this file is never read", mend))
    return found


def _section(
    section: tuple[str, str, str, type[BaseModel], bool], documents: Mapping[str, Document]
) -> list[Placed]:
    """The items of one key of one file that are valid; mistakes go into the document."""
    file, key, kind, model, many = section
    document = documents.get(file)
    if document is None or document.data is None:
        return []
    data: Any = document.data
    wanted = [s[1] for s in SECTIONS if s[0] == file]
    if not isinstance(data, dict) or key not in data:
        document.mistakes.append(document.mistake((), f"'{key}' is missing", f"add '{key}:'"))
        return []
    if key == wanted[0]:
        for other in data.keys() - set(wanted):
            reason = f"'{other}' is not a key of this file"
            document.mistakes.append(
                document.mistake((str(other),), reason, nearest(other, wanted))
            )
    if not many:
        item = validated(model, data[key], document, (key,))
        return [Placed(kind, item, document, (key,))] if item else []
    if not isinstance(data[key], list):
        document.mistakes.append(document.mistake((key,), f"'{key}' is no list", "start with '- '"))
        return []
    items = (
        (number, validated(model, value, document, (key, number)))
        for number, value in enumerate(data[key])
    )
    return [Placed(kind, item, document, (key, number)) for number, item in items if item]


def _value_sets(directory: Path, files: dict[str, bytes], mistakes: list[Mistake]) -> ValueSets:
    raws: dict[str, bytes] = {}
    readable: dict[str, bytes] = {}
    for file in sorted((directory / "valuesets").glob("*.json")):
        name = f"valuesets/{file.name}"
        files[name] = file.read_bytes()
        raw = raws[file.stem] = in_force(files[name])
        value_set, wrong = valuesets.read(name, raw, file.stem)
        mistakes.extend(wrong)
        if value_set is not None:
            readable[file.stem] = files[name]
    if not readable:
        reason = "there is no readable value set"
        mistakes.append(Mistake("valuesets", None, reason, "add the value set files"))
    mistakes.extend(
        Mistake(f"valuesets/{id_}.json", None, "readers look for this value set", "add the file")
        for id_ in VALUE_SETS
        if id_ not in raws
    )
    found = ValueSets.of(readable)
    mistakes.extend(
        conflict_mistakes(found, {k: (f"valuesets/{k}.json", r) for k, r in raws.items()})
    )
    return found


def conflict_mistakes(
    value_sets: Mapping[str, ValueSet], raws: Mapping[str, tuple[str, bytes]]
) -> list[Mistake]:
    """Codes that stand in a genetic and in an acquired set, placed in the file of the latter."""
    found = []
    for genetic, row, covered in valuesets.conflicts(value_sets):
        name, raw = raws[row.concept]
        reason = f"{row.code} also covers {covered} of '{genetic}': one code cannot mean both"
        mend = f"remove it from '{row.concept}' or list narrower codes"
        found.append(Mistake(name, valuesets.line_of(raw, row.code), reason, mend))
    return found


def _known(documents: Mapping[str, Document], value_sets: Sequence[str]) -> dict[str, list[str]]:
    """Ids that exist for each kind of item, also of items that have a mistake in them."""
    ids: dict[str, list[str]] = {"value set": list(value_sets)}
    for file, key, kind, _, many in SECTIONS:
        data = documents[file].data if file in documents else None
        items = data.get(key) if many and isinstance(data, dict) else None
        if isinstance(items, list):
            ids[kind] = [str(item.get("id")) for item in items if isinstance(item, dict)]
    return checks.with_both(ids)


def _content(placed: Sequence[Placed], value_sets: ValueSets) -> Content:
    said: dict[str, Any] = {"value_sets": value_sets}
    for _, key, kind, _, many in SECTIONS:
        items = [one.item for one in placed if one.kind == kind]
        said[key] = {item.id: item for item in items} if many else items[0]
    said["unknown_checks"] = tuple(said["unknown_checks"].values())
    return Content(**said)
