"""Where a code was verified, as an outsider can open it: names, and addresses where there are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from cds_service.knowledge.when import Model, Text

_FILE = Path(__file__).parent / "content" / "code_sources.yaml"


class OpenSource(Model):
    """A name, as a regular expression, and the address that follows from it."""

    names: Text
    url: Text


class ClosedSource(Model):
    """What has no address, and what is said instead of a name that only insiders know."""

    names: Text
    words: Text


class CodeSources(Model):
    """The whole file."""

    opened: tuple[OpenSource, ...] = Field(min_length=1)
    unopened: tuple[ClosedSource, ...] = Field(min_length=1)


@cache
def load() -> CodeSources:
    """Read the content. Raises pydantic's ValidationError, which a test keeps from happening."""
    return CodeSources.model_validate(yaml.safe_load(_FILE.read_bytes()))


@cache  # of the texts in the content: some hundred, each in many rows
def words(said: str) -> str:
    """What `verified-in` says, without names of files and numbers that nobody else can look up."""
    parts = [part.strip() for part in said.split(";")]
    for one in load().unopened:
        parts = [re.sub(one.names, one.words, part) for part in parts]
    return "; ".join(part for part in parts if part)


@cache
def addresses(said: str) -> tuple[str, ...]:
    """Addresses of the public sources that `verified-in` names, each once, as far as known."""
    found: dict[str, None] = {}
    for one in load().opened:
        for match in re.finditer(one.names, said):
            found[one.url.format(*match.groups())] = None
    return tuple(found)
