"""A fresh clone starts on any later day: locks, .venv, interpreters, system packages."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.constants import ROOT
from tests.system.clone import clone
from tests.system.small_project import SmallProject, interpreters

pytestmark = pytest.mark.system

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSIONS = ("3.11", "3.12", "3.13")
FOUND = interpreters()


@pytest.fixture
def small(tmp_path: Path) -> SmallProject:
    return SmallProject(tmp_path / "small")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """One with a .venv, in whatever state the test before left it: that is what has to heal."""
    project = SmallProject(tmp_path_factory.mktemp("used") / "small")
    assert project.run("make_venv").returncode == 0
    return project


@pytest.fixture(params=VERSIONS)
def interpreter(request: pytest.FixtureRequest) -> str:
    if request.param not in FOUND:
        pytest.skip(f"no Python {request.param} on PATH or in pyenv; tried: {', '.join(FOUND)}")
    return FOUND[request.param]


# --- the locks ---


def pins(lock: str) -> dict[str, str]:
    """Versions by name, as this interpreter takes them: a lock may pin one version for each."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    found = re.findall(r"^([a-z0-9.-]+)==(\S+)(?: ; ([^\\\n]*))?", text, re.MULTILINE)
    here = {name: version for name, version, where in found if not where or _is_here(where)}
    return {name: version for name, version, _ in found} | here


def _is_here(marker: str) -> bool:
    return Marker(marker.strip()).evaluate()


def wanted(group: str) -> Iterator[Requirement]:
    """What the project and a dependency group ask for."""
    for item in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"][group]:
        if isinstance(item, str):
            yield Requirement(item)
        else:
            yield from map(Requirement, PROJECT["dependency-groups"][item["include-group"]])


def needed(roots: Iterable[Requirement], python: str) -> Iterator[Requirement]:
    """Every requirement that is active in this version of Python, extras with all they bring."""
    seen, waiting = set(), list(roots)
    while waiting:
        requirement = waiting.pop()
        yield requirement
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            here = {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
            for text in importlib.metadata.requires(name) or ():
                child = Requirement(text)
                if child.marker is None or child.marker.evaluate(here):
                    waiting.append(child)


@pytest.mark.parametrize("python", VERSIONS)
@pytest.mark.parametrize(
    ("lock", "group"), [("requirements.lock", "build"), ("requirements-dev.lock", "dev")]
)
def test_the_lock_pins_all_that_is_needed(lock: str, group: str, python: str) -> None:
    pinned = pins(lock)
    extras: set[str] = set()
    for requirement in needed(wanted(group), python):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{requirement} is not pinned"
        assert requirement.specifier.contains(pinned[name], prereleases=True), requirement
        assert importlib.metadata.version(name) == pinned[name], f"{name}: .venv is not the lock's"
        extras.update(f"{name}[{extra}]" for extra in requirement.extras)
    assert "pyjwt[crypto]" in extras
    assert group == "build" or "coverage[toml]" in extras


def test_the_image_with_traces_holds_what_was_tested() -> None:
    """Its lock is the other one, and the extra in the versions that the tests run with."""
    plain, more, tested = map(pins, ("requirements.lock", "requirements-otel.lock",
                                     "requirements-dev.lock"))  # fmt: skip
    assert plain.items() <= more.items()
    assert {n: version for n, version in more.items() if n not in plain}.items() <= tested.items()
    assert {"opentelemetry-sdk", "requests"} <= more.keys()


# --- installing ---


def with_an_extra(small: SmallProject) -> list[str]:
    """A lock like that of pytest-cov and coverage, in an index where coverage is newer by now."""
    extra = ("Provides-Extra: toml", "Requires-Dist: parser; extra == 'toml'")
    small.wheel("measure", "2", *extra)
    small.wheel("parser", "2")
    return [
        small.wheel("plugin", "1", "Requires-Dist: measure[toml]>=1"),
        small.wheel("measure", "1", *extra),
        small.wheel("parser", "1"),
    ]


PINNED = {"plugin==1", "measure==1", "parser==1", "small==1"}


def test_a_pin_with_an_extra_installs_while_a_newer_version_exists(
    small: SmallProject, interpreter: str
) -> None:
    """With the pip that this interpreter brings: 23.2.1 took the newest and then refused it."""
    small.lock(*with_an_extra(small))
    done = small.run("make_venv; install small.lock", PYTHON=interpreter)
    assert done.returncode == 0, done.stderr
    assert small.installed() == PINNED
    again = small.run("make_venv; install small.lock", PYTHON=interpreter)
    assert (again.returncode, again.stdout) == (0, ""), "a second start has nothing to do"


def test_the_same_with_the_pip_of_the_lock(small: SmallProject) -> None:
    small.lock(*with_an_extra(small))
    assert small.run("make_venv").returncode == 0
    [packages] = (small.folder / ".venv" / "lib").glob("python3*/site-packages")
    for old in packages.glob("pip*"):
        shutil.rmtree(old)
    own = Path(str(importlib.metadata.distribution("pip").locate_file("")))
    for new in own.glob("pip-*.dist-info"):
        shutil.copytree(new, packages / new.name)
    shutil.copytree(own / "pip", packages / "pip")
    done = small.run("make_venv; install small.lock")
    assert done.returncode == 0, done.stderr
    assert (
        small.python("import pip; print(pip.__version__)") == pins("requirements-dev.lock")["pip"]
    )
    assert small.installed() == PINNED


def test_a_lock_that_lacks_a_package_is_refused_by_name(used: SmallProject) -> None:
    used.lock(used.wheel("plugin", "1", "Requires-Dist: measure>=1"))
    done = used.run("make_venv; install small.lock")
    assert done.returncode == 1
    assert "plugin 1 requires measure, which is not installed" in done.stderr
    assert not list(used.folder.glob(".venv/.installed-*"))


def test_what_an_older_lock_left_does_not_stop_the_start(used: SmallProject) -> None:
    used.lock(used.wheel("gone", "1", "Requires-Dist: parser<2"), used.wheel("parser", "1"))
    first = used.run("make_venv; install small.lock")
    used.lock(used.wheel("parser", "2"))
    second = used.run("make_venv; install small.lock")
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert "anew" in second.stdout
    assert used.installed() == {"parser==2", "small==1"}


# --- .venv ---


def test_a_venv_whose_python_is_gone_is_made_anew(used: SmallProject) -> None:
    used.lock(used.wheel("parser", "1"))
    assert used.run("make_venv; install small.lock").returncode == 0
    for link in (used.folder / ".venv" / "bin").glob("python*"):
        if not os.readlink(link).startswith("python"):
            link.unlink()
            link.symlink_to("/nowhere/python3")
    healed = used.run("make_venv; install small.lock")
    assert healed.returncode == 0, healed.stderr
    assert "is gone" in healed.stdout
    assert used.installed() == {"parser==1", "small==1"}


def test_a_venv_that_came_with_a_moved_folder_is_made_anew(small: SmallProject) -> None:
    assert small.run("make_venv").returncode == 0
    small.folder = small.folder.rename(small.folder.with_name("moved"))
    healed = small.run("make_venv; .venv/bin/pip --version")
    assert healed.returncode == 0, healed.stderr
    assert "another folder" in healed.stdout


def test_a_link_in_place_of_the_venv_is_replaced_and_not_emptied(small: SmallProject) -> None:
    other = small.folder / "of-somebody-else"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "kept").touch()
    (small.folder / ".venv").symlink_to(other)
    assert small.run("make_venv").returncode == 0
    assert not (small.folder / ".venv").is_symlink()
    assert (other / "bin" / "kept").exists()


def test_another_python_by_name_makes_the_venv_anew(small: SmallProject) -> None:
    if len(FOUND) < 2:
        pytest.skip(f"one Python only: {', '.join(FOUND)}")
    for version, path in list(FOUND.items())[:2]:
        assert small.run("make_venv", PYTHON=path).returncode == 0
        assert small.python("import sys; print('%d.%d' % sys.version_info[:2])") == version


def test_a_named_python_that_does_not_run_is_an_error(small: SmallProject) -> None:
    done = small.run("make_venv", PYTHON="python3.99")
    assert done.returncode == 1
    assert "PYTHON=python3.99 does not run" in done.stderr
    assert "not found" in done.stderr
    assert not (small.folder / ".venv").exists()


def test_a_named_python_that_is_too_old_is_an_error(small: SmallProject) -> None:
    old = program(small.folder / "old", 'case "$2" in *platform*) echo 3.9.1;; *) exit 1;; esac')
    done = small.run("make_venv", PYTHON=str(old))
    assert done.returncode == 1
    assert "is Python 3.9.1; 3.11 or newer is needed" in done.stderr


# --- system packages ---


def program(path: Path, text: str) -> Path:
    """A shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_system_packages_are_named_before_they_are_installed(small: SmallProject) -> None:
    bin_ = small.folder / "bin"
    bin_.mkdir()
    program(bin_ / "apt-get", 'echo "apt-get $*"; case "$*" in *first*) exit 100;; esac')
    program(bin_ / "id", "echo 0")
    path = f"{bin_}:{os.environ['PATH']}"
    done = small.run(
        "can_install_system_packages && install_system_packages first second", PATH=path
    )
    lines = done.stderr.splitlines()
    assert lines[0] == "Installing system packages with apt-get: first second"
    assert lines[-1].endswith("second"), "one that fails does not keep the next from being tried"
    assert "first could not be installed." in lines
    assert done.returncode == 1


# --- the project itself ---


def test_the_project_installs_and_answers(interpreter: str, tmp_path: Path) -> None:
    """A clone, its .venv, requirements.lock and one request; with the pip of the interpreter."""
    [plain] = re.findall(r"^(pluggy==\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    ask = [FOUND[min(FOUND)], "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    asked = subprocess.run([*ask, "-d", tmp_path, plain], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip("no package index can be reached")
    steps = (
        "source scripts/environment; make_venv; install requirements.lock; "
        ".venv/bin/cds-service check tests/fixtures/readme.json"
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", steps],
        cwd=clone(tmp_path / "clone"), env=os.environ | {"PYTHON": interpreter},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "High risk of heterotopic ossification" in done.stdout
