"""The clinical content on the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds_service.cli import knowledge as knowledge_cli
from cds_service.errors import KnowledgeError
from cds_service.knowledge.loader import CONTENT
from cds_service.knowledge.model import Knowledge
from cds_service.ops.settings import from_environment
from cds_service.server.app import create_app

SITE = """\
overlay:
  name: St Elsewhere
  options: {radiotherapy: false}
  contact: Call 1234.
"""


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a `knowledge` command."""
    outcome = CliRunner().invoke(knowledge_cli.app, arguments, catch_exceptions=False)
    return outcome.exit_code, outcome.stdout, outcome.stderr


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A small overlay."""
    (tmp_path / "overlay.yaml").write_text(SITE, encoding="utf-8")
    return tmp_path


def test_list_names_everything(knowledge: Knowledge) -> None:
    code, out, _ = run("list")
    ids = {line.split()[1] for line in out.splitlines()}

    assert code == 0
    assert ids >= set(knowledge.exclusions) | set(knowledge.value_sets) | set(knowledge.evidence)


def test_list_of_one_part(knowledge: Knowledge) -> None:
    _, out, _ = run("list", "genetic")

    assert len(out.splitlines()) == len(knowledge.genetic)


def test_list_of_a_part_that_is_none() -> None:
    code, _, err = run("list", "wishes")

    assert code == 2
    assert "exclusions" in err


def test_show_the_version(knowledge: Knowledge) -> None:
    _, out, _ = run("show")

    assert knowledge.version in out
    assert "Site overlay: none" in out


def test_show_what_a_site_changes(site: Path) -> None:
    _, out, _ = run("show", "--overlay", str(site))

    assert "Site overlay: St Elsewhere" in out
    assert "radiotherapy" in out
    assert "Contact: Call 1234." in out


def test_show_a_rule_and_a_value_set() -> None:
    assert "205323" in run("show", "celecoxib")[1]
    assert "2160-0" in run("show", "lab-creatinine")[1]


def test_show_what_is_not_there() -> None:
    assert run("show", "nope")[0] == 2


def test_a_rule_that_is_switched_off_says_so(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text("overlay: {name: S, rules: {male-sex: false}}\n")
    _, out, _ = run("list", "modifiers", "--overlay", str(tmp_path))

    assert "(switched off)" in next(line for line in out.splitlines() if "male-sex" in line)


def test_check(site: Path, knowledge: Knowledge) -> None:
    assert run("check") == (0, f"{knowledge.version}: no mistake found\n", "")
    assert "+site." in run("check", str(site))[1]
    assert run("check", str(CONTENT))[0] == 0


def test_check_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text("overlay:\n  name: S\n  options: {surgery: false}\n")
    with pytest.raises(KnowledgeError, match=r"overlay\.yaml:3"):
        run("check", str(tmp_path))


def test_diff(site: Path) -> None:
    _, same, _ = run("diff", "base", str(CONTENT))
    _, changed, _ = run("diff", "base", str(site))
    _, back, _ = run("diff", str(site))

    assert "0 differences" in same
    assert "radiotherapy" in changed
    assert "radiotherapy" in back


BLANK_UNIT = """\
overlay:
  name: St Elsewhere
  protection:
    label: Pantoprazole 40 mg daily while the NSAID course lasts
    course:
      code: "314200"
      display: pantoprazole 40 MG
      dose: 40
      unit: ""
      instruction: 40 mg by mouth once daily
"""


def test_check_refuses_an_order_that_would_be_invalid_fhir(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(BLANK_UNIT, encoding="utf-8")
    with pytest.raises(KnowledgeError) as raised:
        run("check", str(tmp_path))

    (found,) = raised.value.mistakes
    assert (found.file, found.line) == (str(tmp_path / "overlay.yaml"), 9)
    assert "'pantoprazole'" in found.reason
    assert "no valid FHIR" in found.reason


def test_check_validates_the_orders_of_whole_content(tmp_path: Path) -> None:
    shutil.copytree(CONTENT, tmp_path / "content")
    path = tmp_path / "content" / "options.yaml"
    path.write_text(path.read_text().replace("unit: mg", 'unit: ""', 1))
    with pytest.raises(KnowledgeError) as raised:
        run("check", str(tmp_path / "content"))

    (found,) = raised.value.mistakes
    assert found.file == "options.yaml"
    assert path.read_text().splitlines()[(found.line or 0) - 1].strip() == 'unit: ""'


def test_a_site_whose_order_would_be_invalid_fhir_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(BLANK_UNIT, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"overlay\.yaml:9: .*no valid FHIR"):
        create_app(
            from_environment({"CDS_DATABASE_URL": "none", "CDS_KNOWLEDGE_OVERLAY": str(tmp_path)})
        )


def test_export_writes_the_package(tmp_path: Path) -> None:
    file = tmp_path / "ho.tgz"
    code, out, _ = run("export", "--package", str(file))
    assert code == 0
    assert file.read_bytes()[:2] == b"\x1f\x8b"
    assert "not exported in full" in out
    code, _, err = run("export", "--package", str(tmp_path / "nowhere" / "ho.tgz"))
    assert code == 2
    assert "No such file" in err


def test_content_of_an_earlier_program_is_compared_as_it_is_written(tmp_path: Path) -> None:
    """A file and a value set are missing that this program asks for; a member is too many."""
    older = tmp_path / "content"
    shutil.copytree(CONTENT, older)
    (older / "completeness.yaml").unlink()
    (older / "valuesets" / "dish.json").unlink()
    factors = (older / "factors.yaml").read_text(encoding="utf-8")
    factors = factors.replace("- id: dish\n", "- id: dish\n    urgency: low\n", 1)
    (older / "factors.yaml").write_text(factors, encoding="utf-8")
    code, told, warned = run("diff", str(older))
    assert code == 0
    assert "one of the two is for another version" in warned
    lines = told.splitlines()
    assert any(line.startswith("codes: dish: value set added, ") for line in lines)
    assert "rule: dish: urgency 'low' -> none" in lines


@pytest.mark.parametrize(
    ("file", "text"),
    [("valuesets/dish.json", "{"), ("valuesets/dish.json", "[]"), ("factors.yaml", "factors: [x]")],
)
def test_older_content_that_cannot_be_read_is_named(tmp_path: Path, file: str, text: str) -> None:
    older = tmp_path / "content"
    shutil.copytree(CONTENT, older)
    (older / "completeness.yaml").unlink()
    (older / file).write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=file):
        run("diff", str(older))


def test_a_broken_overlay_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text("overlay: [\n", encoding="utf-8")
    with pytest.raises(KnowledgeError):
        run("diff", "base", str(tmp_path))
