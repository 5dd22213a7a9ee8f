"""Whether version, changelog, documents and tag say the same."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from packaging.version import InvalidVersion, Version

from scripts.releasing import changelog

LAST_BY_HAND = Version("1.0.0")
"""The first release whose lines were partly written into CHANGELOG.md itself, and the last."""

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_REV = re.compile(r"^ +rev: v(\S+)$", re.MULTILINE)
_CHART = re.compile(r"^(?:version|appVersion|  tag): (\S+)$", re.MULTILINE)


def version_of(root: Path) -> str:
    """The version as the package says it."""
    found = _VERSION.search((root / "cds_service" / "__init__.py").read_text(encoding="utf-8"))
    return found[1] if found else ""


def disagreements(root: Path) -> list[str]:
    """All that has to be mended before a release, or while there is none; each with what would be
    right."""
    told = version_of(root)
    try:
        version = Version(told)
    except InvalidVersion:
        return [f"cds_service/__init__.py: __version__ = '{told}' is no version (PEP 440)"]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    known = {kind["directory"] for kind in project["tool"]["towncrier"]["type"]}
    problems = changelog.wrong_fragments(root / "changelog.d", known)
    try:
        written = changelog.sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    except ValueError as error:
        return [*problems, str(error)]
    problems += _in_the_changelog(root, version, written)
    problems += _in_the_documents(root, version, written)
    return problems + _in_the_tags(root, version)


def _in_the_changelog(
    root: Path, version: Version, written: dict[str, tuple[str | None, str]]
) -> list[str]:
    if changelog.UNRELEASED not in written:
        return ["CHANGELOG.md: '## [Unreleased]' is missing"]
    released = [name for name in written if name != changelog.UNRELEASED]
    order = sorted(released, key=Version, reverse=True)
    problems = [] if released == order else [f"CHANGELOG.md: the order should be {order}"]
    problems += [f"CHANGELOG.md: [{name}] has no day" for name in released if not written[name][0]]
    waiting = [path.name for path in changelog.fragments(root / "changelog.d")]
    lines = written[changelog.UNRELEASED][1].strip()
    if version.is_devrelease:
        if released and Version(released[0]) >= version:
            problems.append(
                f"CHANGELOG.md has [{released[0]}] already: raise __version__ {version}"
            )
        if lines and any(Version(name) >= LAST_BY_HAND for name in released):
            problems.append("CHANGELOG.md: put the lines under [Unreleased] into changelog.d/")
        return problems
    if not released or Version(released[0]) != version:
        problems.append(f"CHANGELOG.md: the newest section should be [{version}], the __version__")
    if waiting or lines:
        problems.append(f"{version} is cut, but lines wait for a release: give __version__ a .dev0")
    return problems


def _in_the_documents(
    root: Path, version: Version, written: dict[str, tuple[str | None, str]]
) -> list[str]:
    """They and the chart name the release under way, or while there is none the last one."""
    wanted, problems = version.base_version, []
    good = {wanted, *list(written)[1:2]} if version.is_devrelease else {wanted}
    for document in sorted((root / "docs").glob("*.md")):
        for rev in _REV.findall(document.read_text(encoding="utf-8")):
            if rev not in good:
                problems.append(f"docs/{document.name}: rev: v{rev} should be v{wanted}")
    for file in sorted((root / "deploy" / "helm" / "cds-service").glob("*.yaml")):
        for told in sorted(set(_CHART.findall(file.read_text(encoding="utf-8"))) - good):
            problems.append(f"{file.relative_to(root)}: {told} should be {wanted}")
    upgrade = (root / "docs" / "upgrade.md").read_text(encoding="utf-8")
    if not version.is_devrelease and f"\n## To {wanted}" not in upgrade:
        problems.append(f"docs/upgrade.md: '## To {wanted}' is missing")
    return problems


def _in_the_tags(root: Path, version: Version) -> list[str]:
    """A package without git has no tags to look at."""
    if not (root / ".git").exists():
        return []
    here = set(_git(root, "tag", "--points-at", "HEAD", "--list", "v*"))
    problems = [
        f"the tag {tag} stands on this commit, and __version__ is {version}"
        for tag in sorted(here - {f"v{version}"})
    ]
    if f"v{version}" in set(_git(root, "tag", "--list", "v*")) - here:
        problems.append(f"v{version} is the tag of another commit: raise __version__")
    return problems


def _git(root: Path, *words: str) -> list[str]:
    run = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return run.stdout.split()
