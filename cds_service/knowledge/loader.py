"""Loading of the clinical content: compiled or read from its files, and given a version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge import compiled
from cds_service.knowledge.compiled import Base
from cds_service.knowledge.model import Content, Knowledge
from cds_service.knowledge.terminology import CodeIndex
from cds_service.knowledge.version import digest, version

if TYPE_CHECKING:
    from cds_service.knowledge.checks import Placed

__all__ = ["CONTENT", "Content", "Knowledge", "load"]

CONTENT: Final = Path(__file__).parent / "content"

OrderCheck = Callable[[Knowledge], Iterable[tuple[str, str, str]]]
"""Looks at the orders that knowledge can suggest: what is wrong, as the id of a course or referral,
the member of FHIR, and why. Given from above: knowledge does not know how an order is drafted."""


def load(
    overlay: Path | None = None, content: Path = CONTENT, check: OrderCheck | None = None
) -> Knowledge:
    """The content of a directory, with a site overlay merged in when one is named.

    Takes well under a second without `check`, and a tenth of that where the package holds the
    content compiled. Raises KnowledgeError with every mistake found, each with file, line, reason
    and, where it is known, how to mend it.
    """
    base = compiled.find(content) or _read(content)[0]
    number = base.content.meta.version
    placed: tuple[Placed, ...] = ()
    if overlay is None:
        knowledge = _knowledge(base.content, version(number, base.digest, None), base.index)
    else:
        from cds_service.knowledge.overlay import merge  # few services have a site overlay

        merged = merge(base.content, base.index, overlay)
        placed = merged.placed
        label = version(number, base.digest, digest(merged.files))
        told = merged.name, merged.differences, merged.approved
        knowledge = _knowledge(merged.content, label, merged.index, *told)
    if check and (wrong := list(check(knowledge))):
        lines = _read(content)[1]  # what is compiled knows none
        raise KnowledgeError([_placed([*placed, *lines], *one) for one in wrong])
    return knowledge


def _read(content: Path) -> tuple[Base, list[Placed]]:
    from cds_service.knowledge.reading import read  # YAML and checks: not for what is compiled

    return read(content)


# Where an author writes what stands in these members of an order.
_WRITTEN: Final = {"text": "instruction", "value": "dose"}


def _placed(placed: Sequence[Placed], name: str, member: str, reason: str) -> Mistake:
    """A mistake in a suggested order, at the line of the content that it comes from."""
    kinds = ("regimen", "protection", "referral")
    one = next(p for p in placed if p.kind in kinds and p.item.id == name)
    below = (_WRITTEN.get(member, member),)
    return one.mistake(below if one.kind == "referral" else ("course", *below), reason)


def _knowledge(
    content: Content,
    label: str,
    index: CodeIndex,
    site: str | None = None,
    differences: tuple[str, ...] = (),
    approved: str | None = None,
) -> Knowledge:
    said = {field.name: getattr(content, field.name) for field in fields(Content)}
    return Knowledge(
        **said, version=label, index=index, site=site, differences=differences, approved=approved
    )
