"""Reading of content files: YAML that knows its lines, and mistakes in the words of the author."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cds_service.errors import Mistake
from cds_service.knowledge.spelling import nearest

# The C loader is about eight times faster; a PyYAML without libyaml still works.
Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)
Path = Sequence[str | int]
M = TypeVar("M", bound=BaseModel)


class Document:
    """One YAML file: its data, and the line of each part of it (counted from 1)."""

    def __init__(self, name: str, raw: bytes) -> None:
        self.name = name
        self.data: Any = None
        self.mistakes: list[Mistake] = []
        self._root: yaml.Node | None = None
        try:
            loader = Loader(raw)
            self._root = loader.get_single_node()
            self.mistakes.extend(self._doubled(self._root))
            self.data = loader.construct_document(self._root) if self._root else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            self.mistakes.append(Mistake(name, line, f"not YAML: {error.problem}"))
        except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
            self.mistakes.append(Mistake(name, None, f"not YAML: {error}"))

    def line(self, path: Path = ()) -> int | None:
        """Line of the part at `path`, or of the closest part above it that exists."""
        node, found = self._root, self._root
        for step in path:
            node, key = _child(node, step)
            if node is None:
                break
            found = key
        return found.start_mark.line + 1 if found else None

    def mistake(self, path: Path, reason: str, mend: str | None = None) -> Mistake:
        """A mistake at a place of this file."""
        return Mistake(self.name, self.line(path), reason, mend)

    def _doubled(self, node: yaml.Node | None) -> Iterator[Mistake]:
        # YAML keeps the last of two equal keys without a word, and a rule would be lost.
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                yield from self._doubled(item)
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen and key.value != "<<":
                    line = key.start_mark.line + 1
                    yield Mistake(self.name, line, f"'{key.value}' stands twice", "remove one")
                seen.add(str(key.value))
                yield from self._doubled(value)


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Value and key node of one step (for a list both are the item)."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key
    elif isinstance(node, yaml.SequenceNode) and step in range(len(node.value)):
        return node.value[int(step)], node.value[int(step)]
    return None, None


def validated(model: type[M], data: Any, document: Document, path: Path) -> M | None:
    """`data` as the model, or None with the mistakes added to the document."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            document.mistakes.append(_explained(one, document, path, model))
        return None


def _explained(error: Any, document: Document, path: Path, model: type[BaseModel]) -> Mistake:
    place = tuple(error["loc"])
    name = ".".join(str(step) for step in place)
    kind, said = error["type"], error["msg"].removeprefix("Value error, ")
    reason, mend = f"{name}: {said}" if name else said, None
    if kind == "extra_forbidden":
        reason = f"'{name}' is no member of {model.__name__}"
        mend = nearest(place[-1], _fields(model))
    elif kind == "missing":
        reason, mend = f"'{name}' is missing", f"add '{place[-1]}'"
    elif kind == "literal_error":
        expected = error["ctx"]["expected"]
        reason = f"{name}: {error['input']!r} is not one of {expected}"
        mend = nearest(error["input"], re.findall(r"'([^']*)'", expected))
    elif kind == "string_pattern_mismatch":
        reason = f"{name}: {error['input']!r} does not fit the pattern {error['ctx']['pattern']}"
    elif "input" in error and not isinstance(error["input"], dict | list):
        reason += f" (it says {error['input']!r})"
    return document.mistake((*path, *place), reason, mend)


def _fields(model: type[BaseModel]) -> set[str]:
    """Names of the members of all models that stand in the module of this one."""
    family = [model, *vars(sys.modules[model.__module__]).values()]
    models = (one for one in family if isinstance(one, type) and issubclass(one, BaseModel))
    return {name for one in models for name in one.model_fields}


def parts(model: BaseModel, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Path, str, Any]]:
    """Every member of a model and of the models inside it: path, name, value."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        here = (*path, name)
        yield here, name, value
        if isinstance(value, BaseModel):
            yield from parts(value, here)
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from parts(item, (*here, number))
