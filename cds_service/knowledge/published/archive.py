"""The content as a FHIR package: an npm archive of resources, the same bytes from the same content.

Source: the specification of FHIR packages, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.namespaces import EXTENSION, FHIR_BASE
from cds_service.knowledge.published import catalogue
from cds_service.knowledge.published.common import (
    BEFORE_USE,
    FHIR_VERSION,
    LICENCE,
    PUBLISHER,
    Resource,
)
from cds_service.knowledge.published.cql.libraries import cql
from cds_service.knowledge.published.not_exported import as_markdown

NAME: Final = f"{EXTENSION.lower()}.content"
"""Name of the package, after the base of our own names."""
_INDEXED: Final = ("resourceType", "id", "url", "version", "kind", "type")

_NO_NOTICE: Final = (
    "The value set states no owner of its codes (see the file NOTICE of cds-service)."
)


def package(knowledge: Knowledge) -> bytes:
    """The package as a .tgz. Nothing of the machine, the clock or a run is in it."""
    inside = io.BytesIO()
    with tarfile.open(fileobj=inside, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files(knowledge).items()):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(inside.getvalue(), mtime=0)


def resources(knowledge: Knowledge) -> Iterable[Resource]:
    """Every resource that is published, by type and id."""
    for kind in catalogue.TYPES:
        for id_ in catalogue.ids(knowledge, kind):
            found = catalogue.read(knowledge, kind, id_)
            if found is not None:
                yield found


def files(knowledge: Knowledge) -> Mapping[str, bytes]:
    """The files below `package/` by name."""
    made = {f"{one['resourceType']}-{one['id']}.json": one for one in resources(knowledge)}
    found = {name: _json(resource) for name, resource in made.items()}
    found["package.json"] = _json(_manifest(knowledge))
    found[".index.json"] = _json(_index(made))
    found["other/not-exported.md"] = _not_exported(knowledge)
    found["other/licences.md"] = _licences(made.values())
    for name, text in knowledge.once(cql).texts.items():
        found[f"other/cql/{name}.cql"] = text.encode()
    return found


def npm_version(version: str) -> str:
    """The version of the content as npm wants one: `2026.01+1a2b` as `2026.1.0+1a2b`.

    Source: Semantic Versioning 2.0.0: three numbers without a zero before them, one plus sign.
    """
    numbers, _, build = version.partition("+")
    three = [*(str(int(one)) for one in numbers.split(".")), "0", "0"][:3]
    return ".".join(three) + (f"+{build.replace('+', '.')}" if build else "")


def _manifest(knowledge: Knowledge) -> dict[str, Any]:
    meta = knowledge.meta
    return {
        "name": NAME,
        "version": npm_version(knowledge.version),
        "title": meta.title,
        "description": f"{meta.intended_use} Read other/not-exported.md before use.",
        "canonical": FHIR_BASE.rstrip("/"),
        "fhirVersions": [FHIR_VERSION],
        "dependencies": {"hl7.fhir.r4.core": FHIR_VERSION},
        "type": "IG",
        "author": PUBLISHER,
        "license": LICENCE,
        "date": re.sub(r"\D", "", meta.date) + "000000",
    }


def _index(made: Mapping[str, Resource]) -> dict[str, Any]:
    listed = []
    for name, resource in sorted(made.items()):
        said = {key: resource[key] for key in _INDEXED if isinstance(resource.get(key), str)}
        listed.append({"filename": name, **said})
    return {"index-version": 2, "files": listed}


def _not_exported(knowledge: Knowledge) -> bytes:
    head = (
        f"# Not exported\n\nContent {knowledge.version}. The service itself looks at more than CQL"
        " can say: words, units in words,\nwhat a source tells of its own completeness.\n\n"
    )
    head += "## Before use\n\n" + "".join(f"- {one}\n" for one in BEFORE_USE) + "\n"
    return (head + as_markdown(knowledge)).encode()


def _licences(made: Iterable[Resource]) -> bytes:
    """Whose the codes are, as each resource says it."""
    said: dict[str, list[str]] = {}
    for one in made:
        said.setdefault(one.get("copyright", _NO_NOTICE), []).append(
            f"{one['resourceType']}/{one['id']}"
        )
    lines = ["# Licences", ""]
    for text, ids in said.items():
        lines += [text, "", *(f"- {id_}" for id_ in ids), ""]
    return "\n".join(lines).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
