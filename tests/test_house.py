"""Rules of the house that imports do not show: rooms at the top, sizes, one meaning per name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import cds_service

PACKAGE = Path(cds_service.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400
MOST_ROOMS = 16


def test_few_rooms_stand_at_the_top() -> None:
    rooms = {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in MODULES
        if not path.name.startswith("__") or path.parent != PACKAGE
    }
    assert len(rooms) <= MOST_ROOMS, sorted(rooms)


def test_modules_are_short() -> None:
    lines = {str(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert {path: number for path, number in lines.items() if number > MOST_LINES} == {}


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
