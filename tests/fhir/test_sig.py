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
    assert read_sig([told]).misses_surgery


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
    assert not read_sig([told]).misses_surgery


@pytest.mark.parametrize("word", ["stop ", "before ", "# 1 ", "1 cap ", "until the ", "hold 7 d "])
def test_a_word_a_thousand_times_is_no_trap(word: str) -> None:
    read_sig([word * 1_000])


@pytest.mark.parametrize(
    ("told", "per_day", "days"),
    [
        ("1 cap Oral BID 10 days", 2, 10),
        ("1 caps 2x/day, 10d", 2, 10),
        ("200mg bd for 10/7", 2, 10),
        ("25 mg tds x 2/52", 3, 14),
        ("1-0-1-0 10 Tage", 2, 10),
        ("3 x tgl. 1 Kapsel, 7 Tage", 3, 7),
        ("1 Kapsel morgens und abends für 10 Tage", 2, 10),
        ("1 gélule matin et soir pendant 10 jours", 2, 10),
        ("1 gélule matin, midi et soir pendant 10 jours", 3, 10),
        ("1 cápsula cada 12 horas durante 10 días", 2, 10),
        ("1 kapsel 2 gange dagligt i 10 dage", 2, 10),
        ("Take 200 mg every 12 hours for 20 doses", 2, 10),
        ("200 mg, BID, Start date: 11/24/26 9:00:00 EST, Duration: 10 day(s)", 2, 10),
        ("200 mg twice-daily (every 12 hours) for 10 days", 2, 10),
        ("200 mg BID, 2 days before surgery", 2, None),
        ("2 times daily 5 days a week", 2, None),
        ("200 mg daily, may take twice daily, for 10 days", None, 10),
        ("1 capsule 1-2 times daily for 10 days", None, 10),
        ("1 capsule once or twice daily for 10 days", None, 10),
        ("200 mg BID x 3 days then 200 mg daily x 7 days", None, None),
    ],
)
def test_how_often_and_how_long(told: str, per_day: float | None, days: float | None) -> None:
    """Two frequencies are a choice or a taper: then nobody knows what is taken a day."""
    sig = read_sig([told])
    assert (sig.per_day, sig.days) == (per_day, days)


@pytest.mark.parametrize(
    "told",
    [
        "200 mg twice daily for 10 days if pain",
        "200 mg BID, max 10 days, only when pain > 4",
        "200 mg BID whenever you have severe pain",
        "2x täglich bei Schmerzen",
        "2 fois par jour en cas de douleur",
        "200 mg BID prn",
    ],
)
def test_what_is_taken_as_needed(told: str) -> None:
    assert read_sig([told]).prn


@pytest.mark.parametrize(
    "told",
    [
        "200 mg BID for 10 days, scheduled, not as needed",
        "200 mg BID for 10 days for pain",
        "200 mg BID for 10 days. Stop if stomach pain occurs",
        "200 mg BID for 10 days. Call the clinic if you have chest pain",
    ],
)
def test_what_is_taken_regularly(told: str) -> None:
    assert not read_sig([told]).prn


@pytest.mark.parametrize(
    "told",
    [
        "200 mg BID x 10 days, start 2 weeks after surgery",
        "200 mg BID x 10 days. Begin 6 days after surgery",
        "200 mg BID x 10 days, do not start before 12/15/2026",
        "200 mg BID x 10 days, do not take until told",
        "200 mg BID x 10 days. HOLD until cleared by surgeon",
        "200 mg BID x 10 days, on hold",
    ],
)
def test_what_is_held_or_begins_late(told: str) -> None:
    """Prophylaxis begins within five days of the operation."""
    assert read_sig([told]).misses_surgery


@pytest.mark.parametrize(
    "told",
    [
        "200 mg BID x 10 days, starting 1 day after surgery",
        "200 mg BID x 10 days, start on day 1 after surgery",
        "200 mg BID x 10 days, begin 5 days after surgery",
        "200 mg BID x 10 days, do not take before meals",
        "200 mg BID x 10 days, hold if creatinine rises",
    ],
)
def test_what_covers_the_days_after(told: str) -> None:
    assert not read_sig([told]).misses_surgery


@pytest.mark.parametrize(
    "word", ["morning and ", "start 2 days ", "1-1-1 ", "1 to 1 ", "if a a pain"]
)
def test_a_longer_word_a_thousand_times_is_no_trap(word: str) -> None:
    read_sig([word * 1_000])
