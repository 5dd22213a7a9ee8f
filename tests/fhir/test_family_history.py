"""Diseases of relatives."""

from __future__ import annotations

from tests.support.charts import (
    FOP,
    read,
    resource,
    set_aside,
)

# --- family ---


def test_condition_of_a_relative() -> None:
    chart = read(
        resource("FamilyMemberHistory", status="completed", date="2020",
                 relationship={"coding": [{"code": "MTH", "display": "mother"}]},
                 condition=[{"code": FOP}, {"code": {"text": "FOP"}}, {}])
    )  # fmt: skip
    written, fact = chart.family
    assert written.named == "fop"
    assert not written.concepts
    assert fact.concepts == {"fop"}
    assert fact.named is None
    for one in (written, fact):
        assert (one.relation, one.source.reference) == ("mother", "FamilyMemberHistory/r1")
    assert chart.conditions == ()
    assert chart.mentions == ()


def test_relation_by_code_only_and_error() -> None:
    relation = {"coding": [{"code": "FTH"}]}
    (fact,) = read(
        resource("FamilyMemberHistory", relationship=relation, condition={"code": FOP})
    ).family
    assert fact.relation == "fth"
    aside = set_aside(
        resource("FamilyMemberHistory", status="entered-in-error", condition=[{"code": FOP}])
    )
    assert aside.concepts == {"fop"}
