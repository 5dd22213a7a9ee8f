"""Make a release, or see whether one can be made.

    --check         version, changelog, documents and tag agree; part of scripts/test
    --cut VERSION   write the version, and make the fragments of changelog.d its section
    --build [DIR]   wheel, sdist, image, bills of materials, provenance and hashes, into dist

docs/release.md has the way from here to a release.
"""

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from scripts.releasing import agreement, artifacts, changelog

ROOT = Path(__file__).resolve().parents[2]


def check() -> int:
    """Print what disagrees, or that nothing does."""
    problems = agreement.disagreements(ROOT)
    for problem in problems:
        print(problem)
    if not problems:
        print(f"release: version {agreement.version_of(ROOT)}, changelog, documents and tag agree")
    return 1 if problems else 0


def cut(version: str) -> int:
    """Write the version and its section; the tag is for a person to set."""
    changelog.cut(ROOT, version, datetime.now(UTC).date().isoformat())
    file = ROOT / "cds_service" / "__init__.py"
    text = file.read_text(encoding="utf-8")
    new = re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"', text)
    file.write_text(new, encoding="utf-8")
    print(f"Commit this, then: git tag --annotate v{version} --message 'cds-service {version}'")
    return check()


def main() -> int:
    """What the options ask for."""
    parser = argparse.ArgumentParser(
        prog="scripts/release", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--check", action="store_true")
    wanted.add_argument("--cut", metavar="VERSION")
    wanted.add_argument("--build", metavar="DIR", nargs="?", const=ROOT / "dist", type=Path)
    given = parser.parse_args()
    if given.check:
        return check()
    return cut(given.cut) if given.cut else artifacts.build(ROOT, given.build.resolve())


if __name__ == "__main__":
    sys.exit(main())
