"""Site overlay: what a hospital may change of the content, checked and merged visibly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cds_service.knowledge.model import Content


@dataclass(frozen=True, slots=True)
class Merged:
    """Content with an overlay in it, the bytes of the overlay files, its name, what it changed."""

    content: Content
    files: dict[str, bytes]
    name: str
    differences: tuple[str, ...]


def merge(base: Content, directory: Path) -> Merged:
    """Merge an overlay directory into the content."""
    raise NotImplementedError
