"""Compiled content is what its files say, and is passed over where anything has changed since."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from cds_service.cards import suggested_orders
from cds_service.errors import KnowledgeError
from cds_service.knowledge import compiled, loader
from cds_service.knowledge.compiled import Base, beside
from cds_service.knowledge.loader import CONTENT, Knowledge, load
from cds_service.knowledge.reading import read
from tests.support.constants import ROOT

OVERLAY = """\
overlay:
  name: St Elsewhere
  rules: {dish: off}
  protection:
    label: Pantoprazole 40 mg daily while the NSAID course lasts
    course:
      code: "314200"
      display: pantoprazole 40 MG
      dose: 40
      unit: mg
      instruction: 40 mg by mouth once daily
"""


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the content with its compiled form beside it."""
    copy = tmp_path / "content"
    shutil.copytree(CONTENT, copy)
    beside(copy).write_bytes(compiled.compiled(read(copy)[0]))
    return copy


def said(base: Base | Knowledge) -> dict[str, str]:
    """All that content says, with the types of it."""
    content = base.content if isinstance(base, Base) else base
    found = {f.name: getattr(content, f.name) for f in fields(loader.Content)}
    found |= {name: dict(value) for name, value in found.items() if hasattr(value, "items")}
    rows = [*base.index._rows, *base.index.unsure]
    return {name: repr(value) for name, value in (found | {"rows": rows}).items()}


def taken(content: Path) -> Base:
    found = compiled.find(content)
    assert found is not None
    return found


# --- the same content ---


def test_it_says_what_the_files_say(content: Path) -> None:
    assert said(taken(content)) == said(read(content)[0])


def test_what_is_loaded_is_the_same(content: Path, knowledge: Knowledge) -> None:
    loaded = load(content=content)
    assert loaded.version == knowledge.version
    assert said(loaded) == said(knowledge)


def test_an_overlay_changes_it_as_it_changes_the_files(content: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "site"
    overlay.mkdir()
    (overlay / "overlay.yaml").write_text(OVERLAY, encoding="utf-8")
    changed = load(overlay, content, suggested_orders.check)
    (overlay / "overlay.yaml").write_text(OVERLAY.replace("unit: mg", 'unit: ""'), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"overlay\.yaml:10: .*no valid FHIR"):
        load(overlay, content, suggested_orders.check)

    (overlay / "overlay.yaml").write_text(OVERLAY, encoding="utf-8")
    beside(content).unlink()
    as_read = load(overlay, content, suggested_orders.check)
    assert changed.version == as_read.version
    assert changed.differences == as_read.differences != ()
    assert said(changed) == said(as_read)


IN_ANOTHER_PROCESS = """
import hashlib, sys
from pathlib import Path
from cds_service.knowledge import compiled, reading
from tests.knowledge.test_compiled import said
content = Path(sys.argv[1])
found, read = compiled.find(content), reading.read(content)[0]
assert found is not None
assert said(found) == said(read)
print([one.system for one in found.content.override_reasons.values()][0])
print(found.content.value_sets["fop"]["url"])
"""


def test_the_names_of_a_hospital_are_put_into_it(content: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(content)],
        env=os.environ | {"CDS_IDENTIFIER_BASE": "https://ho.hospital.test/cds"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert [line[:34] for line in run.stdout.splitlines()] == [
        "https://ho.hospital.test/cds/fhir/"
    ] * 2


# --- whatever has changed ---


COMPILE = "compiled.compiled(reading.read(loader.CONTENT)[0])"


def a_rule(content: Path) -> None:
    path = content / "factors.yaml"
    path.write_bytes(path.read_bytes() + b"\n")


def a_code(content: Path) -> None:
    path = content / "valuesets" / "fop.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())), encoding="utf-8")


def a_file_less(content: Path) -> None:
    (content / "valuesets" / "fop.json").unlink()


def a_file_more(content: Path) -> None:
    (content / "more.yml").touch()


def a_name(content: Path) -> None:
    (content / "valuesets" / "fop.json").rename(content / "valuesets" / "fop2.json")


def the_seal(content: Path) -> None:
    raw = beside(content).read_bytes()
    beside(content).write_bytes(bytes([raw[0] ^ 1]) + raw[1:])


def a_word_of_it(content: Path) -> None:
    raw = beside(content).read_bytes()
    assert b"warning" in raw
    beside(content).write_bytes(raw.replace(b"warning", b"info   ", 1))


def its_end(content: Path) -> None:
    beside(content).write_bytes(beside(content).read_bytes()[:-1])


def all_of_it(content: Path) -> None:
    beside(content).write_bytes(b"")


CHANGES = [a_rule, a_code, a_file_less, a_file_more, a_name, the_seal, a_word_of_it, its_end]


@pytest.mark.parametrize("change", [*CHANGES, all_of_it])
def test_it_is_passed_over(content: Path, change: Callable[[Path], None]) -> None:
    change(content)
    assert compiled.find(content) is None


def test_it_is_passed_over_where_there_is_none(content: Path) -> None:
    beside(content).unlink()
    assert compiled.find(content) is None


def test_a_mistake_is_told_with_its_place(content: Path) -> None:
    path = content / "factors.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("tier: high", "tier: highest", 1), encoding="utf-8")
    line = text[: text.index("tier: high")].count("\n") + 1
    with pytest.raises(KnowledgeError, match=rf"factors\.yaml:{line}: .*'highest'"):
        load(content=content)


def test_a_change_of_the_program_passes_it_over(tmp_path: Path) -> None:
    package, written = tmp_path / "cds_service", "cds_service/knowledge/content.compiled"
    shutil.copytree(ROOT / "cds_service", package)
    ask = "from cds_service.knowledge import compiled, loader, reading; print({})"
    find = ask.format("compiled.find(loader.CONTENT) is not None")
    make = ask.format(f"open({written!r}, 'wb').write({COMPILE})")

    def said_by(code: str) -> str:
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    assert said_by(find) == "False"
    said_by(make)
    assert said_by(find) == "True"
    for name in ("when.py", "code_systems.py"):
        path = package / "knowledge" / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert said_by(find) == "False"
        path.write_bytes(before)
    assert said_by(find) == "True"


def test_all_that_reads_content_is_part_of_the_seal() -> None:
    """What is imported to read it stands in one folder; beside it are only the errors."""
    code = (
        "import sys, cds_service.knowledge.reading\n"
        "print(*(n for n in sys.modules if n.startswith('cds_service.')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    outside = {
        name for name in run.stdout.split()
        if not name.startswith("cds_service.knowledge") or name.count(".") > 2
    }  # fmt: skip
    assert outside == {"cds_service.errors"}


def test_content_with_the_names_of_a_hospital_is_not_compiled() -> None:
    code = f"from cds_service.knowledge import compiled, loader, reading\n{COMPILE}"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"CDS_IDENTIFIER_BASE": "https://ho.hospital.test/cds"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stderr.splitlines()[-1].startswith("ValueError: content is compiled with the names")
