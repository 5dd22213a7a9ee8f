"""The envelope: strict about JSON, tolerant about what real clients send (section C)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cdshooks import request as envelope
from cds_service.errors import BadRequest

ORDERS = {"resourceType": "Bundle", "entry": []}


def call(**changes: Any) -> bytes:
    """A small valid call with some members changed; `...` takes a member away."""
    members: dict[str, Any] = {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "p1", "draftOrders": ORDERS},
    }
    members |= changes
    return json.dumps({k: v for k, v in members.items() if v is not ...}).encode()


def context(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {"userId": "Practitioner/1", "patientId": "p1", "draftOrders": ORDERS}
    return {k: v for k, v in (members | changes).items() if v is not ...}


def refused(body: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        envelope.parse(body)
    return caught.value


def test_a_plain_call() -> None:
    request = envelope.parse(call(prefetch={"patient": {"resourceType": "Patient"}}))

    assert request.hook == "order-sign"
    assert request.context.patient_id == "p1"
    assert request.context.user_id == "Practitioner/1"
    assert request.prefetch is not None
    assert bytes(request.prefetch["patient"]) == b'{"resourceType": "Patient"}'
    assert bytes(request.context.draft_orders or b"") == json.dumps(ORDERS).encode()
    assert request.notes == ()
    assert not request.has_fhir_access


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"),
        (b" \n ", "body"),
        (b"[]", "body"),
        (b'"x"', "body"),
        (b"null", "body"),
        (b"{", "line 1 column 2"),
        (b'{"hook": "order-sign",\n "context": {"a": tru}}', "line 2 column 20"),
        (b'{"hook": NaN}', "line 1 column 10"),
        (b'{"hook": Infinity}', "line 1 column 10"),
        (b'{"hook": "a"} x', "line 1 column 16"),
        (b'{"hook": "a",}', "line 1 column 14"),
        (b'{"hook": "a" // comment\n}', "line 1 column 14"),
        (b'{"a": {"b": "\\ud800"}}', "line 1 column 14"),
        (b'{"a": {"b": "\\\\\\udc00 x"}}', "line 1 column 16"),
        (b'{"a": {"b": "\\ud83d\\ude00 \\ud800\\u0041"}}', "line 1 column 27"),
        (b"{" + b'"a":{' * 100_000, "body"),
    ],
)
def test_json_that_is_none(body: bytes, place: str) -> None:
    assert refused(body).place == place


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (call(hook=...), "hook"),
        (call(hook=None), "hook"),
        (call(hook=""), "hook"),
        (call(hook=["order-sign"]), "hook"),
        (call(hookInstance=...), "hookInstance"),
        (call(hookInstance=7), "hookInstance"),
        (call(context=...), "context"),
        (call(context=None), "context"),
        (call(context="x"), "context"),
        (call(context=[]), "context"),
        (call(context=[context(), context()]), "context"),
        (call(context=context(patientId=...)), "context.patientId"),
        (call(context=context(patientId=12)), "context.patientId"),
        (call(context=context(patientId=" ")), "context.patientId"),
        (call(context=context(patientId="Practitioner/1")), "context.patientId"),
        (call(context=context(draftOrders=7)), "context.draftOrders"),
        (call(context=context(draftOrders=True)), "context.draftOrders"),
        (call(prefetch=[]), "prefetch"),
        (call(prefetch="x"), "prefetch"),
    ],
)
def test_what_is_missing_or_of_the_wrong_type(body: bytes, place: str) -> None:
    error = refused(body)

    assert error.place == place
    assert error.status == 400


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"hook": "a", "hook": "b"}', "hook"),
        (b'{"hook": "a", "hook": "a"}', "hook"),
        (b'{"hook": "a", "h\\u006fok": "b"}', "hook"),
        (b'{"x": 12, "x": 1}', "body"),
        (b'{"x": {"y": 1}, "x": {"y": 12}}', "x"),
        (call()[:-1] + b', "prefetch": {"a": null, "b": 1, "a": {}}}', "prefetch.a"),
        (
            b'{"context": {"patientId": "a", "patientId": "b"}, "hook": "h"}',
            "context.patientId",
        ),
    ],
)
def test_a_member_that_stands_twice(body: bytes, place: str) -> None:
    error = refused(body)

    assert error.place == place
    assert "twice" in error.message


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("p1", "p1"),
        (" p1 ", "p1"),
        ("Patient/p1", "p1"),
        ("https://ehr.example.org/fhir/Patient/p1", "p1"),
        ("https://ehr.example.org/fhir/Patient/p1/_history/3", "p1"),
        (
            "egICGav-o1PPZqCGJ02G0rZfgFquWZ3QQeahd8KF154c3",
            "egICGav-o1PPZqCGJ02G0rZfgFquWZ3QQeahd8KF154c3",
        ),
    ],
)
def test_patient_id_in_each_form(said: str, meant: str) -> None:
    assert envelope.parse(call(context=context(patientId=said))).context.patient_id == meant


@pytest.mark.statement("RQ-02")
@pytest.mark.parametrize("instance", ["request-123", "URN:UUID:X", "D1577C69-DFBE-44AD-BA6D"])
def test_any_hook_instance(instance: str) -> None:
    assert envelope.parse(call(hookInstance=instance)).hook_instance == instance


@pytest.mark.statement("RQ-06")
@pytest.mark.parametrize("prefetch", [..., None])
def test_absent_and_null_prefetch_are_alike(prefetch: Any) -> None:
    assert envelope.parse(call(prefetch=prefetch)).prefetch is None


def test_empty_prefetch_has_no_keys() -> None:
    assert envelope.parse(call(prefetch={})).prefetch == {}


@pytest.mark.statement("RQ-12")
def test_a_missing_user_is_noted() -> None:
    request = envelope.parse(call(context=context(userId=...)))

    assert request.context.user_id is None
    assert request.notes == ("context.userId is missing",)


def test_context_as_a_list_of_one_object() -> None:
    request = envelope.parse(call(context=[context()]))

    assert request.context.patient_id == "p1"
    assert request.notes


@pytest.mark.parametrize("name", ["medications", "orders"])
def test_draft_orders_under_their_old_names(name: str) -> None:
    request = envelope.parse(call(context=context(draftOrders=..., **{name: ORDERS})))

    assert bytes(request.context.draft_orders or b"") == json.dumps(ORDERS).encode()


@pytest.mark.parametrize("orders", [..., None])
def test_no_draft_orders(orders: Any) -> None:
    assert envelope.parse(call(context=context(draftOrders=orders))).context.draft_orders is None


def test_odd_optional_members_are_left_out_and_noted() -> None:
    request = envelope.parse(call(context=context(encounterId=5, selections="x", userId=["a"])))

    assert request.context.encounter_id is None
    assert request.context.selections == ()
    assert len(request.notes) == 4


def test_selections_keep_what_is_text() -> None:
    request = envelope.parse(call(context=context(selections=["ServiceRequest/1", 2, None, ""])))

    assert request.context.selections == ("ServiceRequest/1",)


@pytest.mark.parametrize(
    ("server", "read"),
    [
        ("https://ehr.example.org/fhir/", "https://ehr.example.org/fhir"),
        ("http://hooks.example.org:9080", "http://hooks.example.org:9080"),
        ("", None),
        ("ehr.example.org/fhir", None),
        ("ftp://ehr.example.org", None),
        ("https://[broken", None),
        (7, None),
        (None, None),
    ],
)
def test_fhir_server(server: Any, read: str | None) -> None:
    assert envelope.parse(call(fhirServer=server)).fhir_server == read


@pytest.mark.statement("RQ-04", "FA-01")
def test_fhir_access_needs_server_and_token() -> None:
    token = {"access_token": "secret-token", "token_type": "bearer", "expires_in": "300"}
    both = envelope.parse(call(fhirServer="https://e.org", fhirAuthorization=token))
    only_token = envelope.parse(call(fhirAuthorization=token))

    assert both.has_fhir_access
    assert both.fhir_authorization is not None
    assert both.fhir_authorization.expires_in == 300
    assert not only_token.has_fhir_access
    assert "secret-token" not in repr(both)


@pytest.mark.statement("FA-03")
@pytest.mark.parametrize("authorization", [None, "x", [], {}, {"access_token": ""}])
def test_authorization_that_cannot_be_used(authorization: Any) -> None:
    request = envelope.parse(call(fhirServer="https://e.org", fhirAuthorization=authorization))

    assert not request.has_fhir_access


def test_unknown_members_are_ignored() -> None:
    odd = {
        "extension": {"com.epic.x": "18"},
        "user": "Practitioner/9",
        "patient": "9",
        "": {"": []},
    }
    plain = envelope.parse(call())

    assert envelope.parse(call(**odd, context=context(**odd))).context.patient_id == "p1"
    assert plain.hook == envelope.parse(call(**odd)).hook


def test_resource_type_of_a_body() -> None:
    assert envelope.resource_type(b'{"resourceType": "Bundle"}') == "Bundle"
    assert envelope.resource_type(b'{"resourceType": 1}') is None
    assert envelope.resource_type(call()) is None


@given(st.binary(max_size=200))
def test_no_bytes_crash_it(body: bytes) -> None:
    try:
        body.decode()
        envelope.parse(body)
    except (BadRequest, UnicodeDecodeError):
        pass


json_members = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text('ab\\"{}[]:, ', max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner),
        max_leaves=5,
    ),
    max_size=5,
)


@given(json_members, st.sampled_from([None, 1]), st.booleans())
def test_no_member_of_valid_json_stands_twice(
    members: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    """The walk that looks for duplicates must never see one where json.dumps wrote none."""
    valid = json.loads(call()) | {f"x{name}": value for name, value in members.items()}
    text = json.dumps(valid, indent=indent, ensure_ascii=ascii_only)

    assert envelope.parse(text.encode()).hook == "order-sign"
