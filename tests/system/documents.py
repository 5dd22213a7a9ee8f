"""Reads the fenced blocks of a Markdown file, and the comments that say how a block is tried.

A block of sh, bash, console or python is run in the order of the document. A comment on the line
above its fence says what is different:

- `<!-- not run: REASON -->`: not run
- `<!-- exit code N: REASON -->`: ends with N
- `<!-- file: PATH -->`: no command, but the content of a file that later blocks use
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.constants import ROOT

DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md")]
)
SHELL = {"sh", "bash", "console"}
_COMMENT = re.compile(r"<!-- (.*) -->")
_NOT_RUN = re.compile(r"not run: \S.*")
_EXIT_CODE = re.compile(r"exit code (\d+): \S.*")
_FILE = re.compile(r"file: (\S+)")
_SERVES = re.compile(
    r"^(?:\w+=\S+ )*(?:scripts/serve|(?:\.venv/bin/)?cds-service (?:serve|sandbox))\b", re.M
)


@dataclass(frozen=True)
class Block:
    """A fenced block with the comments above it."""

    place: str
    language: str
    text: str
    comments: tuple[str, ...]

    @property
    def is_run(self) -> bool:
        runs = self.language in SHELL | {"python"}
        return runs and not any(map(_NOT_RUN.fullmatch, self.comments))

    @property
    def serves(self) -> bool:
        """Whether it starts a service, which then goes on."""
        return self.language in SHELL and bool(_SERVES.search(self.text))

    @property
    def exit_code(self) -> int:
        found = filter(None, map(_EXIT_CODE.fullmatch, self.comments))
        return next((int(match[1]) for match in found), 0)

    @property
    def file(self) -> str | None:
        found = filter(None, map(_FILE.fullmatch, self.comments))
        return next((match[1] for match in found), None)

    @property
    def commands(self) -> str:
        """The text as a shell takes it; in a console block what follows the prompt."""
        if self.language != "console":
            return self.text
        return "\n".join(re.findall(r"^\$ (.*)$", self.text, re.MULTILINE))

    def misread(self) -> list[str]:
        """Comments that look as if they said how the block is tried, and do not."""
        known = (_NOT_RUN, _EXIT_CODE, _FILE)
        meant = [text for text in self.comments if re.match("not run|exit code|file", text)]
        return [text for text in meant if not any(form.fullmatch(text) for form in known)]


def blocks(document: Path) -> list[Block]:
    """All fenced blocks in order."""
    found: list[Block] = []
    comments: list[str] = []
    inside: list[str] | None = None
    language = ""
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.fullmatch(r"\s*```\s*(\S*).*", line)
        if inside is not None and fence:
            place = f"{document.name}:{number - len(inside) - 1}"
            found.append(Block(place, language, "\n".join(inside), tuple(comments)))
            inside, comments = None, []
        elif inside is not None:
            inside.append(line)
        elif fence:
            inside, language = [], fence[1]
        elif comment := _COMMENT.fullmatch(line.strip()):
            comments.append(comment[1])
        else:
            comments = []
    return found
