"""Content as it was read and checked before, plain data beside its directory: a package has it from
its build, and a start takes it where no byte of content or program has changed since.

Data and not code: to read it can make models of the content and nothing else. It is of no version
of Python or of a library. The checks do not run again: the seal says that they passed. It is no
signature: who can write this file can write the program beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from enum import Enum
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel

from cds_service.knowledge.model import Content, ValueSets
from cds_service.knowledge.names import InputName, Side
from cds_service.knowledge.namespaces import OWN, PLACEHOLDER, in_force
from cds_service.knowledge.schema import Question
from cds_service.knowledge.terminology import CodeIndex, Row, rows
from cds_service.knowledge.version import digest
from cds_service.knowledge.when import Model

_PROGRAM: Final = Path(__file__).parent
_SEAL: Final = hashlib.sha256().digest_size
_TYPE: Final = ""
"""Member of an object of the file that names what is made of its other members."""


@dataclass(frozen=True, slots=True)
class Base:
    """Content without an overlay, the index of its codes, and the digest of its files."""

    content: Content
    index: CodeIndex
    digest: bytes


class _Body(msgspec.Struct, frozen=True):
    """What the file holds behind its seal. `content` and `codes` are JSON, so that the base of our
    names can be put into them as it is into the files; a value set is as it is kept in memory."""

    content: bytes
    codes: bytes
    value_sets: dict[str, bytes]


class _RowsInCommon(msgspec.Struct, frozen=True, array_like=True):
    """Rows of the index that have value set and system in common."""

    concept: str
    system: str
    found: list[tuple[str, str, bool, Side | None, Literal["high", "medium", "low"]]]

    def rows(self) -> list[Row]:
        return [Row(self.concept, self.system, *one) for one in self.found]


def beside(directory: Path) -> Path:
    """Where the file of a content directory stands."""
    return directory.parent / f"{directory.name}.compiled"


def files_of(directory: Path) -> dict[str, bytes]:
    """The bytes of every file of the directory that is read, or refused. Raises OSError."""
    sets = sorted((directory / "valuesets").glob("*.json"))
    found = {file.name: file.read_bytes() for file in sorted(directory.glob("*.y*ml"))}
    return found | {f"valuesets/{file.name}": file.read_bytes() for file in sets}


def find(directory: Path) -> Base | None:
    """The content of a directory from the file beside it. None where there is no such file, where
    it is of other content or of another program, and where it is damaged."""
    try:
        raw = beside(directory).read_bytes()
        files = digest(files_of(directory))
    except OSError:
        return None
    body = raw[_SEAL:]
    if raw[:_SEAL] != _seal(files, body):
        return None
    found = msgspec.msgpack.decode(body, type=_Body)
    said = _made(msgspec.json.decode(in_force(found.content)))
    codes = msgspec.json.decode(in_force(found.codes), type=list[_RowsInCommon])
    index = CodeIndex([row for one in codes for row in one.rows()])
    return Base(Content(**said, value_sets=ValueSets(found.value_sets)), index, files)


def compiled(base: Base) -> bytes:
    """The file for content that was read and passed all checks.

    Raises ValueError where it would not come back the same.
    """
    if OWN != PLACEHOLDER:
        raise ValueError("content is compiled with the names that its files are written with")
    sets = base.content.value_sets
    names = [field.name for field in fields(Content) if field.name != "value_sets"]
    said = {name: getattr(base.content, name) for name in names}
    content = msgspec.json.encode(_plain(said))
    if repr(_made(msgspec.json.decode(content))) != repr(said):
        raise ValueError("what is compiled is not what was read")
    every = (row for one in sets.values() for row in rows(one))
    codes = [
        (concept, system, [row[2:] for row in found])
        for (concept, system), found in groupby(every, key=itemgetter(0, 1))
    ]
    body = _Body(content, msgspec.json.encode(codes), dict(sets.packed))
    packed = msgspec.msgpack.encode(body)
    return _seal(base.digest, packed) + packed


def _seal(files: bytes, body: bytes) -> bytes:
    """Changes with every byte of the content, of the program that reads it, and of the body."""
    program = {file.name: file.read_bytes() for file in _PROGRAM.glob("*.py")}
    return hashlib.sha256(digest(program) + files + body).digest()


# --- models as plain data, and back ---


def _plain(value: object) -> object:
    """What JSON can hold: a tuple as an array, anything else that JSON does not know as an object
    that names its type. Raises ValueError for what could not be made again."""
    kind: type = type(value)
    members: dict[str, object] = {}
    if value is None or kind in (str, int, float, bool):
        return value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        if all(type(name) is str for name in value):
            return {name: _plain(one) for name, one in value.items()}
        kind, members = dict, {"pairs": tuple(value.items())}
    elif isinstance(value, BaseModel):
        members = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, Enum):
        members = {"value": value.value}
    elif isinstance(value, date):
        members = {"year": value.year, "month": value.month, "day": value.day}
    if kind.__name__ not in _makers():
        raise ValueError(f"{kind.__name__} cannot be compiled")
    return {_TYPE: kind.__name__} | {name: _plain(one) for name, one in members.items()}


def _made(value: Any) -> Any:
    """The way back."""
    if value.__class__ is str:  # most of them
        return value
    if value.__class__ is list:
        return tuple([_made(one) for one in value])
    if value.__class__ is not dict:
        return value
    kind = value.pop(_TYPE, None)
    members = {name: _made(one) for name, one in value.items()}
    return members if kind is None else _makers()[kind](**members)


@cache
def _makers() -> Mapping[str, Callable[..., Any]]:
    """What an object of the file can be made into."""
    models = {one.__name__: one.model_construct for one in _below(Model)}
    return models | {"dict": _dict, "date": date, "Question": Question, "InputName": InputName}


def _dict(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """One whose names are no plain text."""
    return dict(pairs)


def _below(kind: type[Model]) -> Iterator[type[Model]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
