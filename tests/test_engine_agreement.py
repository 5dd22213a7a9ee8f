"""What counts as agreement with a second engine, where no Java is."""

from __future__ import annotations

from cds_service.knowledge.model import Knowledge
from tests.support.engine_agreement import Agreement
from tests.support.engine_changes import is_still_there
from tests.support.mutation import Mutant


def test_nobody_asked_is_no_agreement(knowledge: Knowledge) -> None:
    assert Agreement(knowledge).failed


def test_a_rule_that_is_off_is_looked_for_in_the_engine(knowledge: Knowledge) -> None:
    off = Mutant("factors", "dish", "off", knowledge)
    assert is_still_there(off, {"HOFactors": {"dish": False}})
    assert not is_still_there(off, {"HOFactors": {"conversion": False}})
