"""Site overlay: what a hospital changes of the content, read, checked and merged visibly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge import value_sets
from cds_service.knowledge.checks import Placed
from cds_service.knowledge.diff import diff
from cds_service.knowledge.documents import Document, validated
from cds_service.knowledge.model import Content, ValueSet, ValueSets
from cds_service.knowledge.names import OVERLAY_FILE
from cds_service.knowledge.namespaces import in_force
from cds_service.knowledge.overlay_changes import Change, apply, brought
from cds_service.knowledge.overlay_schema import Overlay
from cds_service.knowledge.spelling import nearest
from cds_service.knowledge.terminology import CodeIndex


@dataclass(frozen=True, slots=True)
class Merged:
    """Content with an overlay in it, the index of its codes, the bytes of the overlay files, its
    name, what it changed, where each item that it brings or changes stands, and who approved it."""

    content: Content
    index: CodeIndex
    files: dict[str, bytes]
    name: str
    differences: tuple[str, ...]
    placed: tuple[Placed, ...] = ()
    approved: str | None = None


def differences(base: Content, merged: Content) -> tuple[str, ...]:
    """Readable lines on what an overlay changed."""
    return tuple(str(one) for one in diff(base, merged))


def merge(base: Content, index: CodeIndex, directory: Path) -> Merged:
    """The base, whose codes are in the index, with the overlay of a directory in it.

    Reads `overlay.yaml` and `valuesets/*.json`, each optional. Raises KnowledgeError with every
    mistake: an unknown name, a safety floor switched off, a code that contradicts the base.
    """
    reader = _Reader(directory)
    content = replace(base, value_sets=reader.read_value_sets(base.value_sets))
    if content.value_sets is not base.value_sets:
        index = CodeIndex.of(content.value_sets.values())
    document, overlay = reader.read_overlay()
    change = Change(content, index, document)
    if overlay is not None:
        apply(change, overlay)
    mistakes = [*reader.mistakes, *document.mistakes]
    if mistakes:
        raise KnowledgeError(sorted(mistakes, key=lambda m: (m.file, m.line or 0)))
    content = change.content
    name = overlay.name if overlay else directory.name
    placed = tuple(brought(change, overlay)) if overlay else ()
    approved = overlay.approved if overlay else None
    return Merged(content, index, reader.files, name, differences(base, content), placed, approved)


@dataclass
class _Reader:
    """The files of an overlay directory, and what is wrong with them."""

    directory: Path
    files: dict[str, bytes] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def read_overlay(self) -> tuple[Document, Overlay | None]:
        """`overlay.yaml`, validated. The overlay is None where there is none that can be used."""
        self._look_around()
        path = self.directory / OVERLAY_FILE
        raw = path.read_bytes() if path.is_file() else b""
        document = Document(str(path), in_force(raw))
        data = document.data
        if raw:
            self.files[OVERLAY_FILE] = raw
        if data is None:
            return document, None
        if not isinstance(data, dict) or set(data) != {"overlay"}:
            reason = "the file must have one key, 'overlay'"
            document.mistakes.append(document.mistake((), reason, "put all below 'overlay:'"))
            return document, None
        return document, validated(Overlay, data["overlay"], document, ("overlay",))

    def _look_around(self) -> None:
        """Files that nobody would read, and directories that are none."""
        if not self.directory.is_dir():
            mend = "set CDS_KNOWLEDGE_OVERLAY to the directory that holds overlay.yaml"
            self.mistakes.append(Mistake(str(self.directory), None, "no such directory", mend))
            return
        for file in sorted(self.directory.iterdir()):
            if file.suffix in {".yaml", ".yml", ".json"} and file.name != OVERLAY_FILE:
                mend = nearest(file.name, [OVERLAY_FILE]) or "value sets belong into valuesets/"
                self.mistakes.append(Mistake(str(file), None, "this file is never read", mend))
        if not self.files and not self.mistakes and not (self.directory / OVERLAY_FILE).is_file():
            reason = "the overlay is empty"
            self.mistakes.append(Mistake(str(self.directory), None, reason, f"add {OVERLAY_FILE}"))

    def read_value_sets(self, base: ValueSets) -> ValueSets:
        """The value sets of the base with the codes of the site behind their own."""
        extended: dict[str, ValueSet] = {}
        touched: dict[str, tuple[str, bytes]] = {}
        for file in sorted((self.directory / "valuesets").glob("*.json")):
            self.files[f"valuesets/{file.name}"] = file.read_bytes()
            raw = in_force(self.files[f"valuesets/{file.name}"])
            value_set, wrong = value_sets.read(str(file), raw, file.stem, sourced=False)
            self.mistakes.extend(wrong)
            if value_set is not None and file.stem not in base:
                reason = f"there is no value set '{file.stem}' to add to"
                self.mistakes.append(Mistake(str(file), 1, reason, nearest(file.stem, base)))
            elif value_set is not None:
                touched[file.stem] = (str(file), raw)
                extended[file.stem] = _with_codes(base[file.stem], value_set)
        if not extended:
            return base
        merged = base.changed(extended)
        self._no_conflicts(merged, touched)
        return merged

    def _no_conflicts(
        self, merged: Mapping[str, ValueSet], touched: Mapping[str, tuple[str, bytes]]
    ) -> None:
        """A site code must not be genetic and acquired at once."""
        for genetic, row, covered in value_sets.conflicts(merged):
            name, code = (row.concept, row.code) if row.concept in touched else (genetic, covered)
            file, raw = touched[name]
            reason = f"{code} would be in '{genetic}' and in '{row.concept}' at once"
            line = value_sets.line_of(raw, code)
            self.mistakes.append(Mistake(file, line, reason, f"remove it from '{name}'"))


def _with_codes(base: ValueSet, added: ValueSet) -> ValueSet:
    include = [*base["compose"]["include"], *added["compose"]["include"]]
    return {**base, "compose": {**base["compose"], "include": include}}
