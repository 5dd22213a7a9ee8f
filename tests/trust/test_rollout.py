"""Who of a client sees cards, and what a registration may not say about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds_service.errors import ClientsError
from cds_service.knowledge.loader import Knowledge
from cds_service.trust.clients import Client, Names, load
from cds_service.trust.rollout import DEPARTMENT, Exposure, Mode, drawn, user_hash
from tests.support.rollouts import KEY, registration

SECRET = KEY.encode()
USERS = 100_000


@pytest.fixture(scope="module")
def names(knowledge: Knowledge) -> Names:
    return Names.of(knowledge, keyed=True, speaks_3=False)


def read(folder: Path, names: Names, **members: Any) -> Client:
    file = folder / "clients.toml"
    file.write_text(registration(**members))
    [client] = load(file, names).clients
    return client


def mistake(folder: Path, names: Names, text: str) -> tuple[int | None, str]:
    file = folder / "clients.toml"
    file.write_text(text)
    with pytest.raises(ClientsError) as caught:
        load(file, names)
    [found] = caught.value.mistakes
    assert found.file.endswith("clients.toml")
    return found.line, found.reason


# --- share ---


@pytest.mark.parametrize("share", [0.5, 1, 10, 25, 50, 90, 99.5])
def test_the_share_of_many_users_is_what_was_said(share: float) -> None:
    """Within 0.3 points for 100,000 ids, in numbers as EHRs give them."""
    seen = sum(drawn(SECRET, "north", f"Practitioner/{n}") < share for n in range(USERS))

    assert abs(seen / USERS * 100 - share) <= 0.3


def test_a_share_that_grows_takes_nobody_back(tmp_path: Path, names: Names) -> None:
    few, more = (read(tmp_path, names, share=share) for share in (10, 30))
    users = [f"Practitioner/{n}" for n in range(2_000)]
    small = {user for user in users if few.picks("north", user, None, SECRET)}
    large = {user for user in users if more.picks("north", user, None, SECRET)}

    assert small < large


def test_lots_of_clients_and_keys_have_nothing_to_do_with_each_other() -> None:
    users = [f"Practitioner/{n}" for n in range(20_000)]
    one = {u for u in users if drawn(SECRET, "north", u) < 20}
    for other in (
        {u for u in users if drawn(SECRET, "south", u) < 20},
        {u for u in users if drawn(b"another key of tests", "north", u) < 20},
    ):
        assert abs(len(one & other) / len(users) - 0.04) < 0.006


@pytest.mark.parametrize("share", [0, 100])
def test_none_and_all(tmp_path: Path, names: Names, share: int) -> None:
    client = read(tmp_path, names, share=share)

    assert {client.picks("north", f"Practitioner/{n}", None, SECRET) for n in range(500)} == {
        share == 100
    }


def test_who_sends_no_user_is_in_no_share(tmp_path: Path, names: Names) -> None:
    assert not read(tmp_path, names, share=99.9).picks("north", None, None, SECRET)


@pytest.mark.parametrize(
    "written",
    ["Practitioner/7", " Practitioner/7", "https://fhir.example.org/r4/Practitioner/7",
     "Practitioner/7/"],
)  # fmt: skip
def test_one_user_is_one_user_however_written(written: str) -> None:
    assert user_hash(SECRET, "north", written) == user_hash(SECRET, "north", "Practitioner/7")
    assert drawn(SECRET, "north", written) == drawn(SECRET, "north", "Practitioner/7")


# --- users and departments ---


def extension(**members: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(members))


def test_listed_users_see_cards_whatever_else(tmp_path: Path, names: Names) -> None:
    listed = [user_hash(SECRET, "north", "Practitioner/7")]
    alone = read(tmp_path, names, users=listed)
    beside = read(tmp_path, names, users=listed, share=0, departments=["ORTHO"])
    elsewhere = read(tmp_path, names, users=[user_hash(SECRET, "south", "Practitioner/7")])

    for client in (alone, beside):
        assert client.picks("north", "Practitioner/7", None, SECRET)
        assert not client.picks("north", "Practitioner/8", None, SECRET)
    assert not elsewhere.picks("north", "Practitioner/7", None, SECRET)


@pytest.mark.parametrize(
    ("sent", "sees"),
    [
        (extension(**{DEPARTMENT: "ORTHO"}), True),
        (extension(**{DEPARTMENT: "ortho"}), False),
        (extension(**{DEPARTMENT: ["ORTHO"]}), False),
        (extension(other="ORTHO"), False),
        (msgspec.Raw(b'["ORTHO"]'), False),
        (msgspec.Raw(b"null"), False),
        (msgspec.Raw(b"[" * 5000), False),
        (None, False),
    ],
)
def test_departments(tmp_path: Path, names: Names, sent: object, sees: bool) -> None:
    client = read(tmp_path, names, departments=["ORTHO", "TRAUMA"])

    assert client.picks("north", "Practitioner/1", sent, SECRET) is sees


def test_the_member_that_names_the_department_is_a_setting(tmp_path: Path, names: Names) -> None:
    client = read(tmp_path, names, departments=["12"], department_from="com.example.department")

    assert client.picks("north", None, extension(**{"com.example.department": "12"}), SECRET)
    assert not client.picks("north", None, extension(**{DEPARTMENT: "12"}), SECRET)


def test_a_share_of_a_department(tmp_path: Path, names: Names) -> None:
    client = read(tmp_path, names, departments=["ORTHO"], share=50)
    there, away = extension(**{DEPARTMENT: "ORTHO"}), extension(**{DEPARTMENT: "ENT"})
    users = [f"Practitioner/{n}" for n in range(1_000)]

    assert 400 < sum(client.picks("north", user, there, SECRET) for user in users) < 600
    assert not any(client.picks("north", user, away, SECRET) for user in users)


# --- cards and rules ---

HO, TWO = "moderate-risk", ["dish", "osteoporosis"]


@pytest.mark.parametrize(
    ("given", "card", "rules", "genetic", "mode"),
    [
        ({"mode": "shadow"}, HO, ["dish"], False, "shadow"),
        ({"mode": "shadow", "genetic": "live"}, "fop-surgery", ["fop"], True, "live"),
        ({"mode": "shadow", "genetic": "live"}, HO, ["dish"], False, "shadow"),
        ({"genetic": "shadow"}, "fop-surgery", ["fop"], True, "shadow"),
        # No switch of a card or rule silences genetic HO, on a card of another name either.
        ({"cards": {"high-risk": "off"}}, "high-risk", ["fop-suspected"], True, "live"),
        ({"rules": {"dish": "off"}}, HO, ["dish"], True, "live"),
        ({"mode": "shadow", "cards": {HO: "live"}}, HO, ["dish"], True, "shadow"),
        ({"cards": {HO: "shadow"}}, HO, ["dish"], False, "shadow"),
        ({"cards": {HO: "off"}}, HO, ["dish"], False, "off"),
        ({"mode": "shadow", "cards": {HO: "live"}}, HO, ["dish"], False, "live"),
        ({"cards": {HO: "live"}, "rules": {"dish": "off"}}, HO, ["dish"], False, "live"),
        ({"rules": {"dish": "shadow"}}, HO, ["dish"], False, "shadow"),
        ({"rules": {"dish": "shadow"}}, HO, ["dish", "x"], False, "live"),
        ({"rules": {"dish": "shadow", "osteoporosis": "off"}}, HO, TWO, False, "shadow"),
        ({"mode": "shadow", "rules": {"dish": "live"}}, HO, ["dish"], False, "live"),
        ({"rules": {"dish": "shadow"}}, "not-assessed", [], False, "live"),
    ],
)  # fmt: skip
def test_the_mode_of_a_card(
    tmp_path: Path,
    names: Names,
    given: dict[str, Any],
    card: str,
    rules: list[str],
    genetic: bool,
    mode: Mode,
) -> None:
    client = read(tmp_path, names, **given)

    assert Exposure(client).of_card(card, rules, is_genetic=genetic) == mode


def test_switches_open_nothing_for_users_who_are_not_picked(tmp_path: Path, names: Names) -> None:
    client = read(tmp_path, names, mode="shadow", genetic="live", cards={HO: "live"})
    other = Exposure(client, picked=False)

    assert other.of_card(HO, ["dish"], is_genetic=False) == "shadow"
    assert other.of_card("fop-surgery", ["fop"], is_genetic=True) == "live"
    assert (Exposure(client).arm, other.arm) == ("shadow", "shadow")


# --- what is refused ---

NORTH = registration()
WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"hooks": []}, 4, "hooks: "),
    ({"hooks": ["order-sing"]}, 4, "hooks: no service answers such a hook"),
    ({"tenants": []}, 4, "tenants: "),
    ({"users": []}, 4, "users: "),
    ({"departments": []}, 4, "departments: "),
    ({"mode": "on"}, 4, "mode: "),
    ({"mode": "Live"}, 4, "mode: "),
    ({"mode": True}, 4, "mode: "),
    ({"genetic": "off"}, 4, "genetic: "),
    ({"share": 101}, 4, "share: "),
    ({"share": -1}, 4, "share: "),
    ({"share": "25"}, 4, "share: "),
    ({"share": True}, 4, "share: "),
    ({"users": ["Practitioner/7"]}, 4, "users.0: "),
    ({"departments": "ORTHO"}, 4, "departments: "),
    ({"cards": {"moderate-risks": "shadow"}}, 4, "cards.moderate-risks: there is none of this id"),
    ({"cards": {HO: "hidden"}}, 4, f"cards.{HO}: "),
    ({"rules": {"dosh": "off"}}, 4, "rules.dosh: there is none of this id"),
    ({"rules": {HO: "off"}}, 4, f"rules.{HO}: there is none of this id"),
    ({"cards": {"fop-surgery": "off"}}, 4, "cards.fop-surgery: is about genetic HO"),
    ({"cards": {"poh-biopsy": "live"}}, 4, "cards.poh-biopsy: is about genetic HO"),
    ({"rules": {"fop": "shadow"}}, 4, "rules.fop: is about genetic HO"),
    ({"modes": "shadow"}, 4, "modes: is no key of a client"),
    ({"shares": 20}, 4, "shares: is no key of a client"),
]


@pytest.mark.parametrize(("given", "line", "reason"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, names: Names, given: dict[str, Any], line: int, reason: str
) -> None:
    found = mistake(tmp_path, names, registration(**given))

    assert found[0] == line
    assert found[1].startswith(f"client 1, {reason}")


def test_a_key_below_jwks_is_no_key_that_nobody_reads(tmp_path: Path, names: Names) -> None:
    """TOML takes what stands below [client.jwks] as part of it: `mode` would be ignored."""
    found = mistake(tmp_path, names, NORTH + 'mode = "shadow"\n')

    assert found == (6, "client 1, mode: stands in jwks, where nobody reads it")


def test_a_table_of_switches_is_named_with_the_line_within(tmp_path: Path, names: Names) -> None:
    text = NORTH + '[client.cards]\nhigh-risk = "live"\n"no-such" = "off"\n'

    assert mistake(tmp_path, names, text)[0] == 8


@pytest.mark.parametrize("given", [{"share": 10}, {"users": ["0" * 64]}])
def test_users_are_not_told_apart_without_a_key(
    tmp_path: Path, knowledge: Knowledge, given: dict[str, Any]
) -> None:
    found = mistake(
        tmp_path, Names.of(knowledge, keyed=False, speaks_3=False), registration(**given)
    )

    assert found[0] == 4
    assert "there is no key" in found[1]
