"""The change log of the knowledge: the sections `Knowledge` of CHANGELOG.md."""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent / "content" / "CHANGELOG.md"  # where the wheel puts it
_CLONE = Path(__file__).parents[3] / "CHANGELOG.md"

_VERSION = re.compile(r"## \[?(?P<name>[^\]]+)\]?(?P<rest>.*)")


def read() -> list[tuple[str, list[str]]]:
    """Changes by version of the service, the newest first; nothing when the file is not there."""
    file = next((path for path in (_HERE, _CLONE) if path.is_file()), None)
    return parse(file.read_text(encoding="utf-8")) if file else []


def parse(text: str) -> list[tuple[str, list[str]]]:
    """The bullets below each `### Knowledge`, with the version they stand under."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in text.splitlines():
        if version := _VERSION.fullmatch(line):
            found.append((version["name"] + version["rest"], []))
            inside = False
        elif line.startswith("### "):
            inside = line.strip() == "### Knowledge"
        elif inside and found and line.startswith("- "):
            found[-1][1].append(line[2:].strip())
        elif inside and found and found[-1][1] and line.startswith("  "):
            found[-1][1][-1] += " " + line.strip()
    return [(version, changes) for version, changes in found if changes]
