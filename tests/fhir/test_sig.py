"""What the words of a dosage say of pieces, supply and the operation."""

from __future__ import annotations

import pytest

from cds_service.fhir.sig import read_sig


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        ("= 1 cap, Oral, BID, x 10 day(s)", 1),
        ("= 2 tab, Oral, TID", 2),
        ("Take 1 (one) capsule by mouth twice daily", 1),
        ("Take one capsule twice daily", 1),
        ("1.5 tablets daily", 1.5),
        ("2 Kapseln morgens", 2),
        ("1 gélule 3 fois par jour", 1),
        ("1 comprimido cada 8 horas", 1),
        ("1 cap, Oral, TID, # 21 cap, 0 Refill(s)", 1),
        ("1/2 tab BID", None),
        ("1-2 caps every 8 hours", None),
        ("1 capsule twice daily, at most 3 capsules a day", None),
        ("twice daily", None),
    ],
)
def test_pieces_of_a_dose(told: str, pieces: float | None) -> None:
    assert read_sig([told]).pieces == pieces


@pytest.mark.parametrize(
    ("told", "supply"),
    [
        ("= 1 cap, Oral, BID, # 20 cap, 0 Refill(s)", 20),
        ("twice daily. Dispense #20", 20),
        ("twice daily. Disp: 14 (fourteen) capsules", 14),
        ("BID Qty: 28", 28),
        ("2x täglich, Menge 20", 20),
        ("BID, dispense 30 days", None),
        ("BID # 20 cap, then # 10 cap", None),
        ("BID for 10 days", None),
    ],
)
def test_pieces_that_are_dispensed(told: str, supply: float | None) -> None:
    assert read_sig([told]).supply == supply


@pytest.mark.parametrize(
    "told",
    [
        "twice daily until the procedure",
        "twice daily until your hip surgery",
        "BID till the day of surgery",
        "twice daily up to surgery",
        "zweimal täglich bis zur Operation",
        "deux fois par jour jusqu'à l'intervention",
        "dos veces al día hasta la cirugía",
        "twice daily, stop before surgery, restart after surgery",
        "twice daily for 14 days stop before surgery restart after surgery",
        "BID for 14 days. Hold 5 days prior to the procedure; may resume post-op",
        "Stop for 7 days before surgery, then twice daily again after surgery",
        "stop 3 days pre-op, restart postop when cleared",
        "Hold. Resume after surgery",
    ],
)
def test_what_ends_with_the_operation(told: str) -> None:
    assert read_sig([told]).before_surgery


@pytest.mark.parametrize(
    "told",
    [
        "twice daily for 10 days, start after surgery",
        "twice daily for 10 days after the operation",
        "first dose before surgery, then twice daily after surgery for 10 days",
        "Hold before surgery. After surgery take 50 mg twice daily for 10 days",
        "Stop 5 days before surgery; restart on day 1 after surgery BID x 10 days",
        "200 mg BID post-op x 10 days",
        "1 capsule before breakfast for 10 days",
        "zweimal täglich für 10 Tage nach der Operation",
    ],
)
def test_what_goes_on_after_the_operation(told: str) -> None:
    assert not read_sig([told]).before_surgery


@pytest.mark.parametrize("word", ["stop ", "before ", "# 1 ", "1 cap ", "until the ", "hold 7 d "])
def test_a_word_a_thousand_times_is_no_trap(word: str) -> None:
    read_sig([word * 1_000])
