"""CHANGELOG.md and the fragments that go into it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"## \[(?P<version>[^\]]+)\](?: - (?P<day>\d{4}-\d{2}-\d{2}))?")
_FRAGMENT = re.compile(r"[^.]+\.(?P<kind>[a-z]+)(\.\d+)?\.md")
_KEPT = {"README.md", "template.md.jinja"}


def sections(text: str) -> dict[str, tuple[str | None, str]]:
    """By version, in order: the day of its release, where one stands there, and what is below.

    Raises ValueError for a heading of another form.
    """
    found: dict[str, tuple[str | None, str]] = {}
    for part in re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]:
        line, _, rest = part.partition("\n")
        heading = _HEADING.fullmatch(line.strip())
        if heading is None:
            raise ValueError(f"CHANGELOG.md: '{line}' is no '## [VERSION] - YYYY-MM-DD'")
        found[heading["version"]] = heading["day"], rest
    return found


def kinds(text: str) -> dict[str, str]:
    """The lines of a section by its kinds (`Added`), in order."""
    parts = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
    found: dict[str, str] = {}
    for name, lines in zip(parts[1::2], parts[2::2], strict=True):
        found[name] = found.get(name, "") + lines.strip("\n") + "\n"
    return found


def fragments(folder: Path) -> list[Path]:
    """What waits for the next release."""
    return sorted(path for path in folder.iterdir() if path.name not in _KEPT)


def wrong_fragments(folder: Path, known: set[str]) -> list[str]:
    """What is wrong with the fragments: name, kind, or no text."""
    problems = []
    for path in fragments(folder):
        name = _FRAGMENT.fullmatch(path.name)
        if name is None or name["kind"] not in known:
            said = ", ".join(sorted(known))
            problems.append(f"changelog.d/{path.name}: name it NAME.KIND.md, KIND one of {said}")
        elif not path.read_text(encoding="utf-8").strip():
            problems.append(f"changelog.d/{path.name}: it is empty; say what changed")
    return problems


def cut(root: Path, version: str, day: str) -> None:
    """Make [Unreleased] and the fragments the section of a version, and take the fragments away."""
    file = root / "CHANGELOG.md"
    text = file.read_text(encoding="utf-8")
    merged = kinds(sections(text)[UNRELEASED][1])
    for kind, lines in kinds(_drafted(root, version, day)).items():
        merged[kind] = merged.get(kind, "") + lines
    body = "\n".join(f"### {kind}\n\n{lines}" for kind, lines in merged.items())
    head, _, rest = text.partition(f"## [{UNRELEASED}]\n")
    older = re.search(r"^## ", rest, re.MULTILINE)
    tail = f"\n{rest[older.start() :]}" if older else ""
    new = f"{head}## [{UNRELEASED}]\n\n## [{version}] - {day}\n\n{body}{tail}"
    file.write_text(new, encoding="utf-8")
    for path in fragments(root / "changelog.d"):
        path.unlink()


def _drafted(root: Path, version: str, day: str) -> str:
    command = [
        sys.executable, "-m", "towncrier", "build", "--draft", "--version", version, "--date", day,
    ]  # fmt: skip
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
