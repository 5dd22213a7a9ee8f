"""Telling two states of the knowledge apart."""

from __future__ import annotations

import dataclasses
import json

from cds_service.knowledge.diff import Difference, diff
from cds_service.knowledge.loader import Knowledge, load
from cds_service.knowledge.model import ValueSets
from cds_service.knowledge.overlay import differences

# --- telling two states apart ---


def test_the_same_content_does_not_differ(base: Knowledge) -> None:
    assert diff(base, load()) == ()
    assert differences(base, base) == ()


def test_added_and_removed_items_are_named(base: Knowledge) -> None:
    fewer = {name: rule for name, rule in base.factors.items() if name != "dish"}
    sets = ValueSets({n: raw for n, raw in base.value_sets.packed.items() if n != "dish"})
    less = dataclasses.replace(base, factors=fewer, value_sets=sets)
    assert diff(base, less) == (
        Difference("codes", "dish", "value set removed"),
        Difference("rule", "dish", "removed"),
    )
    added = diff(less, base)
    assert added[0].change.startswith("value set added, ")
    assert added[1].change == f"added: {base.factors['dish'].label}"
    assert {one.heading for one in added} == {"codes", "rule"}


def test_changed_codes_and_wording_are_named(base: Knowledge) -> None:
    changed = json.loads(json.dumps(base.value_sets["dish"]))
    concepts = changed["compose"]["include"][-1]["concept"]
    concepts[0]["display"] = "Another display"
    gone = changed["compose"]["include"][0]["concept"].pop()
    card = base.cards["high-risk"].model_copy(update={"summary": "Other words for {order}."})
    new = dataclasses.replace(
        base,
        value_sets=base.value_sets.changed({"dish": changed}),
        cards={**base.cards, "high-risk": card},
    )
    found = [str(one) for one in diff(base, new)]
    assert any("display" in one and "Another display" in one for one in found)
    assert any(f"removed {changed['compose']['include'][0]['system']}" in one for one in found)
    assert any(gone["code"] in one for one in found)
    assert any(one.startswith("wording: high-risk: summary") for one in found)


def test_another_order_of_items_is_named(base: Knowledge) -> None:
    turned = dict(reversed(list(base.regimens.items())))
    found = diff(base, dataclasses.replace(base, regimens=turned))
    assert [str(one) for one in found] == [f"dose: regimens: order is now {', '.join(turned)}"]
