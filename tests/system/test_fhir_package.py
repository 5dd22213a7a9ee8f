"""The FHIR package in the tools of others: the translator of CQL and HAPI's client.

The validator takes minutes: `scripts/fhir-package` runs it.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import archive
from cds_service.knowledge.published.cql.libraries import cql
from tests.support.fhir_package import run_java, unpacked
from tests.support.hapi_server import HapiMissing, lacking

Elm = tuple[str, dict[str, Any]]

pytestmark = pytest.mark.hapi
if why := lacking():
    pytest.skip(why, allow_module_level=True)


@pytest.fixture(scope="module")
def elm(tmp_path_factory: pytest.TempPathFactory, knowledge: Knowledge) -> Elm:
    """What the translator says, and the ELM of each library."""
    folder = tmp_path_factory.mktemp("package")
    try:
        package = unpacked(archive.package(knowledge), folder)
        said = run_java("Translate", str(package / "other" / "cql"), str(folder / "elm")).stdout
    except HapiMissing as missing:
        pytest.skip(str(missing))
    read = {
        name: json.loads((folder / "elm" / f"{name}.json").read_text())["library"]
        for name in knowledge.once(cql).texts
    }
    return said, read


def test_every_library_is_translated_without_an_error(elm: Elm, knowledge: Knowledge) -> None:
    said, read = elm
    assert said.splitlines() == [f"library {name}.cql errors 0" for name in sorted(read)]
    for library in read.values():
        assert library["identifier"]["version"] == knowledge.version


def test_the_conditions_of_actions_are_never_null(elm: Elm) -> None:
    defines = {
        (name, one["name"]): one["expression"]
        for name, library in elm[1].items()
        for one in library["statements"]["def"]
        if one.get("type") != "FunctionDef" and "expression" in one
    }
    plan = [name for library, name in defines if library == "HOPlan" and name != "Patient"]
    assert len(plan) > 100
    for name in plan:
        assert total(defines[("HOPlan", name)], "HOPlan", defines), name
    unsure = defines[("HOFactors", "dish")]
    assert not total(unsure, "HOFactors", defines)


ALWAYS = {"IsTrue", "IsNull", "Exists", "Count"}
IF_ALL = {"And", "Or", "Not", "GreaterOrEqual", "Equal"}


def total(one: Any, library: str, defines: dict[tuple[str, str], Any]) -> bool:
    """Whether a Boolean of ELM can only be true or false."""
    kind = one["type"]
    if kind in ALWAYS or kind == "Literal":
        return True
    if kind == "Coalesce":
        return any(total(part, library, defines) for part in one["operand"])
    if kind in IF_ALL:
        operands = one["operand"]
        parts = operands if isinstance(operands, list) else [operands]
        return all(total(part, library, defines) for part in parts)
    if kind == "ExpressionRef":
        there = f"HO{one['libraryName']}" if "libraryName" in one else library
        return total(defines[(there, one["name"])], there, defines)
    return False


@pytest.mark.process
def test_the_client_of_hapi_uses_the_base(elm: Elm, server: httpx.Client) -> None:
    assert elm[0]  # the tools are compiled
    said = run_java("Client", f"{str(server.base_url).rstrip('/')}/fhir").stdout.splitlines()
    assert len(said) == 11
    assert all(line.startswith("ok ") for line in said)
