"""Lines and paths of what a document says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given

from cds_service.tools.validate.findings import json_path, pointer
from cds_service.tools.validate.positions import Positions
from tests.support.validating import values

# --- places ---


def test_places_are_found_line_by_line() -> None:
    text = '{\n "a": [1,\n  {"b":\n 2, "a":3}],\n "c~/": {"x": "\\"}\\n"},\n"d":[]}'
    lines = Positions(text).lines([(), ("a",), ("a", 1, "b"), ("a", 1, "zz"), ("c~/", "x"), ("d",)])
    assert lines == {
        (): 1, ("a",): 2, ("a", 1, "b"): 3, ("a", 1, "zz"): 3, ("c~/", "x"): 5, ("d",): 6,
    }  # fmt: skip


def test_members_that_stand_twice_are_found_at_any_depth() -> None:
    text = '{"a": {"b": 1, "c": [{"x": 1, "x": 2}], "b": 3}, "a": 1}'
    assert list(Positions(text).twice()) == [("a", "c", 0, "x"), ("a", "b"), ("a",)]


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(p for step, item in inner for p in paths_of(item, (*path, step)))]


@given(values)
def test_lines_are_those_of_an_independent_writer(value: Any) -> None:
    """With `indent=0` every item and member begins a line, in the order in which it is written."""
    text = json.dumps(value, indent=0)
    lines = Positions(text).lines(paths_of(value))
    for path, line in lines.items():
        if not path:
            continue
        written = text.split("\n")[line - 1]
        inner: Any = value
        for step in path:
            inner = inner[step]
        name = f"{json.dumps(path[-1])}: " if isinstance(path[-1], str) else ""
        head = json.dumps(inner, indent=0).split("\n")[0]
        assert written.startswith(name + head)
    assert len({line for path, line in lines.items() if path}) == len(lines) - 1


def test_paths_are_written_for_people_and_for_patches() -> None:
    path = ("a b", 0, "c'd", "e/~f")
    assert json_path(path) == "$['a b'][0]['c\\'d']['e/~f']"
    assert pointer(path) == "/a b/0/c'd/e~1~0f"
