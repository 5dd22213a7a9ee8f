"""A sample of what `scripts/second-engine` does: the FHIR package in an engine of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import load
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import archive
from cds_service.tools.synthetic.generate import Wish, generate
from tests.support.builders import request
from tests.support.casebook import load_all
from tests.support.engine_agreement import Agreement
from tests.support.engine_changes import Changes, mutants
from tests.support.hapi_server import HapiMissing, lacking
from tests.support.reasoning_server import applied, apply, put, reasoning_server
from tests.support.second_engine import KNOWN, SecondEngine, bundle_of, loaded
from tests.support.shorthand import TODAY
from tests.support.two_engines import Ours, ours

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1200)]
if why := lacking():
    pytest.skip(why, allow_module_level=True)

GENERATED = 60
FILES = ("options-kidney.yaml", "previous-ho.yaml", "genetic.yaml")
CHANGED = {("factors", "dish"), ("exclusions", "egfr-below-30"), ("exclusions", "past-ulcer")}


@pytest.fixture(scope="module")
def engine(knowledge: Knowledge) -> Iterator[SecondEngine]:
    try:
        with loaded(knowledge) as started:
            yield started
    except HapiMissing as missing:
        pytest.skip(str(missing))


def cases() -> list[tuple[str, dict[str, Any]]]:
    found = [one for one in load_all() if one.file in FILES and not (one.clock or one.status)]
    return [(one.id, request(one.description)) for one in found]


def test_both_engines_agree_or_the_reason_is_known(
    engine: SecondEngine, knowledge: Knowledge
) -> None:
    found = Agreement(knowledge)
    made = [(one.id, one.call) for one in generate(Wish(today=TODAY, count=GENERATED))]
    for id_, call in [*made, *cases()]:
        mine = replace(ours(id_, call, knowledge, TODAY), id=id_)
        said = engine.ask(call, TODAY, mine.known)
        assert said.errors == ()
        found.add(mine, said)
    assert {one.rule: one.open for one in found.unexplained} == {}
    assert found.patients > GENERATED + 50


def test_a_change_of_the_content_changes_both(engine: SecondEngine, knowledge: Knowledge) -> None:
    wanted = [one for one in mutants(knowledge) if (one.section, one.rule) in CHANGED]
    patients: list[Ours] = [
        replace(ours(id_, call, knowledge, TODAY), id=id_) for id_, call in cases()
    ]
    changes = Changes(patients, knowledge, TODAY)
    chosen = [(one, changes.choose(one)) for one in wanted]
    try:
        changes.before([was for _, some in chosen for was, _ in some], engine)
        verdicts = [changes.follow(one, some, engine) for one, some in chosen]
    finally:
        engine.load(knowledge)
    assert [one for one in verdicts if one.verdict == "not followed"] == []
    assert sum(one.verdict == "followed" for one in verdicts) >= len(CHANGED)


def test_an_overlay_changes_both(engine: SecondEngine, tmp_path: Path) -> None:
    overlay = tmp_path / "site"
    overlay.mkdir()
    (overlay / "overlay.yaml").write_text(
        "overlay:\n  name: A hospital\n  options:\n    radiotherapy: false\n"
    )
    plain, site = load(), load(overlay=overlay)
    call = next(
        one.call
        for one in generate(Wish(today=TODAY, count=GENERATED))
        if ours(one.id, one.call, plain, TODAY).values.get("offer radiotherapy")
    )
    mine = ours("p", call, plain, TODAY)
    assert "offer-radiotherapy" in engine.ask(call, TODAY, mine.known).actions
    try:
        engine.load(site)
        assert "offer-radiotherapy" not in engine.ask(call, TODAY, mine.known).actions
        assert not ours("p", call, site, TODAY).values.get("offer radiotherapy")
    finally:
        engine.load(plain)


def test_a_server_applies_the_plan_over_http(knowledge: Knowledge) -> None:
    patient = list(generate(Wish(today=TODAY, count=2)))[-1]
    mine = ours(patient.id, patient.call, knowledge, TODAY)
    assert mine.values["card high-risk"]
    with reasoning_server() as base, httpx.Client(base_url=base, timeout=300) as client:
        assert put(client, archive.resources(knowledge)) > 200
        put(client, (one["resource"] for one in bundle_of(patient.call)["entry"]))
        plan = apply(client, patient.id, KNOWN)
    assert "row-high-risk" in applied(plan)
