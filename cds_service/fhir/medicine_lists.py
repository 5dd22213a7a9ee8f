"""The two lists of medicines, orders and statements, as one input.

An empty list of orders alone does not say that a patient takes nothing: what is taken may stand in
MedicationStatement only (drajer-health/eCRNow#1055, #1088).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from cds_service.clinical.chart import KNOWN, InputReport, InputState
from cds_service.knowledge.names import InputName, SignalName

LISTS: Final = frozenset({InputName.MEDICATIONS, InputName.STATEMENTS})
ORDERS: Final = "orders"
STATEMENTS: Final = "statements"
_UNTOLD: Final = frozenset({InputState.ABSENT, InputState.FAILED})


def both(
    orders: InputReport,
    statements: InputReport,
    *,
    no_orders: bool = False,
    whole: Collection[str] = (),
) -> InputReport:
    """What is known of the medicines. `no_orders`: the server has no list of orders, which is no
    failure where it has the other; `whole` names the lists that hold all medicines by themselves.
    Statements that this client may not read are named, and the orders stand for themselves.
    """
    if no_orders and statements.state not in _UNTOLD:
        orders = InputReport(orders.name, InputState.ABSENT)
    is_refused = statements.signal == SignalName.REFUSED and not statements.seen
    told_of = InputReport(statements.name, InputState.ABSENT) if is_refused else statements
    report = _joined(orders, told_of)
    told = ((ORDERS, orders.state), (STATEMENTS, statements.state))
    lists = tuple((name, state) for name, state in told if state is not InputState.ABSENT)
    if not lists:
        return report
    read = {name for name, state in lists if state in KNOWN}
    return InputReport(
        report.name,
        report.state,
        report.seen,
        report.why,
        lists,
        not read.isdisjoint(whole),
        report.signal,
        report.rest_older,
    )


def _joined(orders: InputReport, statements: InputReport) -> InputReport:
    if statements.state is InputState.ABSENT:
        return orders
    if orders.state is InputState.ABSENT:
        return replace(statements, name=orders.name)
    seen = orders.seen + statements.seen
    broken = [report for report in (orders, statements) if not report.known]
    if broken:
        state = InputState.PARTIAL if seen else broken[0].state
        why = "; ".join(report.why for report in broken if report.why) or None
        signal = next((report.signal for report in broken if report.signal), None)
        return InputReport(orders.name, state, seen, why, signal=signal)
    states = {orders.state, statements.state}
    order = (InputState.READ, InputState.NONE_STATED, InputState.EMPTY)
    return InputReport(orders.name, next(state for state in order if state in states), seen)
