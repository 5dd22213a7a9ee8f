"""No small number is shown, and none can be found from those that are shown."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.rehearsal.disclosure import Cell, Disclosure

LEAST = 11
COUNT = st.sampled_from([0, 0, 1, 2, 5, 10, 11, 12, 20, 40, 300])


def table(numbers: list[list[int]]) -> Disclosure:
    """A table with the sums of its rows and columns, and that of all."""
    found = Disclosure(LEAST)
    rows, columns = range(len(numbers)), range(len(numbers[0]))
    found.put({("cell", str(r), str(c)): numbers[r][c] for r, c in product(rows, columns)})
    found.put({("row", str(r)): sum(numbers[r]) for r in rows})
    found.put({("column", str(c)): sum(numbers[r][c] for r in rows) for c in columns})
    found.put({("all",): sum(map(sum, numbers))})
    for r in rows:
        found.line(("row", str(r)), [("cell", str(r), str(c)) for c in columns])
    for c in columns:
        found.line(("column", str(c)), [("cell", str(r), str(c)) for r in rows])
    found.line(("all",), [("row", str(r)) for r in rows])
    found.line(("all",), [("column", str(c)) for c in columns])
    return found


def test_a_lone_small_cell_takes_another_one_with_it() -> None:
    found = Disclosure(LEAST)
    found.put({("a",): 3, ("b",): 40, ("c",): 50, ("all",): 93})
    found.line(("all",), [("a",), ("b",), ("c",)])
    assert found.hidden() == {("a",), ("b",)}


def test_small_cells_that_sum_up_to_a_small_number_take_another_one() -> None:
    found = Disclosure(LEAST)
    found.put({("a",): 1, ("b",): 1, ("c",): 50, ("d",): 60, ("all",): 112})
    found.line(("all",), [("a",), ("b",), ("c",), ("d",)])
    assert found.hidden() == {("a",), ("b",), ("c",)}


def test_where_nothing_else_is_left_the_total_goes() -> None:
    found = Disclosure(LEAST)
    found.put({("a",): 3, ("b",): 0, ("all",): 3})
    found.line(("all",), [("a",), ("b",)])
    assert found.hidden() == {("a",), ("all",)}


def test_a_headline_is_hidden_last() -> None:
    found = Disclosure(LEAST, frozenset({("all",)}))
    found.put({("a",): 20, ("b",): 4, ("all",): 24})
    found.line(("all",), [("a",), ("b",)])
    assert found.hidden() == {("a",), ("b",)}


def test_large_numbers_and_zeros_are_shown() -> None:
    assert table([[11, 0], [40, 12]]).hidden() == frozenset()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(COUNT, min_size=3, max_size=3), min_size=2, max_size=4))
def test_no_small_cell_follows_from_the_others(numbers: list[list[int]]) -> None:
    """For each small cell there are other numbers that would have given the same report."""
    found = table(numbers)
    hidden = found.hidden()
    small = {cell for cell, n in found.counts.items() if 0 < n < LEAST}
    assert small <= hidden
    unknowns = sorted(hidden)
    rows = [
        [int(cell in line.parts) - int(cell == line.total) for cell in unknowns]
        for line in found.lines
    ]
    rank = _rank(rows)
    for number, cell in enumerate(unknowns):
        alone = [int(place == number) for place in range(len(unknowns))]
        assert cell not in small or _rank([*rows, alone]) == rank + 1


def _rank(rows: list[list[int]]) -> int:
    """The rank of a matrix of whole numbers, without fractions (Bareiss)."""
    matrix, rank = [row[:] for row in rows], 0
    for column in range(len(matrix[0]) if matrix else 0):
        lead = next((r for r in range(rank, len(matrix)) if matrix[r][column]), None)
        if lead is None:
            continue
        matrix[rank], matrix[lead] = matrix[lead], matrix[rank]
        for other in range(rank + 1, len(matrix)):
            a, b = matrix[rank][column], matrix[other][column]
            pairs = zip(matrix[rank], matrix[other], strict=True)
            matrix[other] = [a * y - b * x for x, y in pairs]
        rank += 1
    return rank


def test_cells_are_named_by_words() -> None:
    cell: Cell = ("month", "2024-05", "card")
    found = Disclosure(LEAST)
    found.put({cell: 5})
    assert found.hidden() == {cell}
