"""A release: packages that anybody can build again, papers that agree, files that are in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from cds_service.trust.clients import Client
from tests.support.constants import ROOT
from tests.system.clone import clone

pytestmark = pytest.mark.system

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EPOCH = "1764150000"


def built(source: Path, out: Path, *options: str, **environment: str) -> dict[str, bytes]:
    """Wheel and sdist by name."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(out), *options],
        cwd=source, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH} | environment,
        capture_output=True, check=True,
    )  # fmt: skip
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_packages_are_the_same_bytes_wherever_they_are_built(tmp_path: Path) -> None:
    here = built(ROOT, tmp_path / "a", SOURCE_COMMIT="0123456789ab")
    there = built(clone(tmp_path / "clone"), tmp_path / "b", SOURCE_COMMIT="0123456789ab")
    assert sorted(name.rpartition(".")[2] for name in here) == ["gz", "whl"]
    assert here == there
    [wheel] = (tmp_path / "b").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        assert file.read("cds_service/commit.txt") == b"0123456789ab\n"


def test_a_package_starts_with_its_content_compiled(tmp_path: Path) -> None:
    built(ROOT, tmp_path / "out", "--target", "wheel", CDS_IDENTIFIER_BASE="https://ours.test/")
    [wheel] = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "installed")
    code = (
        "from cds_service.knowledge import compiled, loader\n"
        "print(loader.__file__, compiled.find(loader.CONTENT) is not None)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "installed", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == f"{tmp_path}/installed/cds_service/knowledge/loader.py True\n"


def test_a_package_of_unknown_source_says_so(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    built(folder, tmp_path / "out", "--target", "wheel")
    [wheel] = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        assert file.read("cds_service/commit.txt") == b"unknown\n"


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    run = subprocess.run(
        [sys.executable, "-m", "scripts.releasing", "--build", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "name an empty folder" in run.stderr
    assert (tmp_path / "letters").exists()


# --- what has to agree ---


def checked(folder: Path) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.releasing", "--check"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """What has to agree, in a repository whose version and tags a test can change."""
    for name in ("pyproject.toml", "CHANGELOG.md", "cds_service/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("changelog.d", "deploy/helm", "docs", "scripts/releasing"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("img", "perf*"))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, check=True)


def set_version(folder: Path, version: str) -> None:
    file = folder / "cds_service" / "__init__.py"
    text = re.sub('__version__ = ".*"', f'__version__ = "{version}"', file.read_text())
    file.write_text(text)


def test_the_papers_of_this_commit_agree() -> None:
    code, told = checked(ROOT)
    assert code == 0, told


def test_a_release_is_cut_and_then_agrees(papers: Path) -> None:
    (papers / "changelog.d" / "+one.knowledge.md").write_text("A card\nin two lines.\n")
    run = subprocess.run(
        [sys.executable, "-m", "scripts.releasing", "--cut", "1.0.0"],
        cwd=papers, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    text = (papers / "CHANGELOG.md").read_text(encoding="utf-8")
    released = text.partition("## [Unreleased]\n\n## [1.0.0] - 20")[2].partition("\n## [")[0]
    assert released.count("\n### Knowledge\n") == 1
    assert "\n- A card\n  in two lines.\n" in released
    left = {path.name for path in (papers / "changelog.d").iterdir()}
    assert left == {"README.md", "template.md.jinja"}
    git(papers, "commit", "--quiet", "--all", "--message", "1.0.0")
    git(papers, "tag", "v1.0.0")
    assert checked(papers)[0] == 0
    git(papers, "tag", "--annotate", "v1.0.1", "--message", "too early")
    assert "the tag v1.0.1 stands on this commit, and __version__ is 1.0.0" in checked(papers)[1]
    git(papers, "tag", "--delete", "v1.0.1")
    set_version(papers, "1.1.0.dev0")
    git(papers, "commit", "--quiet", "--all", "--message", "Go on")
    assert checked(papers)[0] == 0
    line = text.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Added\n\n- By hand\n")
    (papers / "CHANGELOG.md").write_text(line, encoding="utf-8")
    assert "put the lines under [Unreleased] into changelog.d/" in checked(papers)[1]


def test_a_fragment_that_would_be_lost_is_refused(papers: Path) -> None:
    for name, text in {"+x.feature.md": "Words", "words.md": "Words", "+x.added.md": " "}.items():
        (papers / "changelog.d" / name).write_text(text)
    code, told = checked(papers)
    assert code == 1
    assert "+x.feature.md: name it NAME.KIND.md, KIND one of added, changed, fixed" in told
    assert "words.md: name it NAME.KIND.md" in told
    assert "+x.added.md: it is empty" in told


def test_what_disagrees_is_named(papers: Path) -> None:
    set_version(papers, "1.1.0")
    said = checked(papers)[1]
    assert "the newest section should be [1.1.0]" in said
    assert "lines wait for a release: give __version__ a .dev0" in said
    assert "rev: v1.0.0 should be v1.1.0" in said
    for name in ("Chart", "values"):
        assert f"deploy/helm/cds-service/{name}.yaml: 1.0.0 should be 1.1.0" in said
    assert "'## To 1.1.0' is missing" in said
    set_version(papers, "one")
    assert "'one' is no version (PEP 440)" in checked(papers)[1]


def test_the_way_back_names_the_keys_that_0_9_0_refuses() -> None:
    known = {
        "algorithms", "audiences", "cors_origins", "fhir_servers", "hooks", "id", "iss", "jku",
        "jwks", "jwks_file", "private_hosts", "quirks", "tenants",
    }  # fmt: skip
    text = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8")
    assert {key for key in set(Client.model_fields) - known if f"`{key}`" not in text} == set()


# --- files that run elsewhere ---


def test_actions_are_named_by_commit() -> None:
    for file in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for line in re.findall(r"uses: (.*)", file.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+", line), (file.name, line)


def test_the_workflow_tests_every_python_that_is_promised() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    promised = [
        line.rpartition(" :: ")[2]
        for line in PROJECT["project"]["classifiers"]
        if re.search(r"Python :: 3\.\d+$", line)
    ]
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == promised


def test_extras_ask_for_released_packages_and_leave_the_core_alone() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert sorted(extras) == ["cloud", "lake", "otel", "spark", "validate"]
    core = {re.split(r"[\[<>=;]", line)[0] for line in PROJECT["project"]["dependencies"]}
    for lines in extras.values():
        for line in lines:
            name, bound = re.split(r"(?=>=)", line, maxsplit=1)
            assert name.partition("[")[0] not in core
            assert bound


def test_a_copy_of_the_advisories_is_read_where_none_can_be_asked(tmp_path: Path) -> None:
    """A made-up advisory about what is pinned, and one about what was mended long ago."""
    folder = tmp_path / "vulns" / "jinja2"
    folder.mkdir(parents=True)
    form = (
        "id: {id}\npublished: '2026-11-01T00:00:00Z'\naffected:\n- package: {{name: jinja2}}\n"
        "  ranges:\n  - type: ECOSYSTEM\n    events: [{{introduced: '0'}}, {{fixed: '{fixed}'}}]\n"
    )
    (folder / "OLD.yaml").write_text(form.format(id="OLD", fixed="2.10.1"))
    command = [sys.executable, "scripts/audit", "--advisories", str(tmp_path)]
    clean = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (clean.returncode, "newest advisory is of 2026-11-01" in clean.stdout) == (0, True)
    (folder / "NEW.yaml").write_text(form.format(id="NEW", fixed="99.1"))
    weak = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert weak.returncode == 1
    assert re.fullmatch(r"audit: jinja2 [\d.]+: NEW, fix: 99\.1\n", weak.stdout)


def test_the_page_of_licences_is_up_to_date() -> None:
    command = [sys.executable, "scripts/licences", "--check"]
    check = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr
