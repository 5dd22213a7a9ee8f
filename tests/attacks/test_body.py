"""Attacks in the body of a call: bombs, and JSON that two readers understand differently."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cds_service.cdshooks import bounds
from cds_service.errors import RequestError
from tests.support.app_client import AppClient, ClientFactory
from tests.support.attack_book import attack, attacks, status_of
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN

KIND = "Body"
MB = 1024 * 1024

ORDER = '{"resourceType": "ServiceRequest", '
CONDITION = '{"resourceType": "Condition", '

Body = Callable[[], bytes]


def high() -> dict[str, Any]:
    return build(HIGH)


def text() -> str:
    return json.dumps(high())


def replaced(old: str, new: str, count: int = 1) -> Body:
    """The request as text, with a piece of it changed."""

    def make() -> bytes:
        assert old in text(), old
        return text().replace(old, new, count).encode()

    return make


def inside(where: str, value: str) -> Body:
    """The request with JSON as text put in: into `prefetch`, a resource, `context` or the order."""
    anchors = {
        "body": "{",
        "context": '"context": {',
        "prefetch": '"prefetch": {',
        "condition": CONDITION,
        "order": ORDER,
    }
    anchor = anchors[where]
    return replaced(anchor, f'{anchor}"extra": {value}, ')


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def with_id_of(size: int) -> Body:
    return lambda: json.dumps(high() | {"hookInstance": "x" * size}).encode()


BODIES: list[tuple[str, str, Body]] = [
    ("empty body", "400", lambda: b""),
    ("blanks only", "400", lambda: b" " * MB),
    ("null", "400", lambda: b"null"),
    ("lists nested 100000 deep", "400", lambda: deep(100_000).encode()),
    ("lists never closed, 1 MB", "413", lambda: b"[" * MB),
    ("objects nested 100000 deep", "400", lambda: objects(100_000).encode()),
    ("deep nesting in an unknown member", "400", inside("body", deep(200))),
    ("deep nesting in context", "400", inside("context", objects(200))),
    ("deep nesting in a resource", "400", inside("condition", objects(200))),
    ("deep nesting with one way out", "400", inside("order", "[" + "[[]," * 150 + "1" + "]" * 151)),
    ("a million empty lists", "413", inside("body", "[" + "[]," * 1_000_001 + "1]")),
    (
        "60000 resources",
        "413",
        inside("prefetch", json.dumps({"entry": [{"resource": {"resourceType": "X"}}] * 60_000})),
    ),
    (
        "1000 draft orders",
        "413",
        lambda: json.dumps(many_orders(1000)).encode(),
    ),
    ("a million members in the body", "413", lambda: b"{" + members(1_000_000) + b'"hook": 1}'),
    ("100000 members in context", "413", lambda: many_members("context")),
    ("100000 keys in prefetch", "413", lambda: many_members("prefetch")),
    ("17 MB", "413", lambda: b'{"a": "' + b"x" * (17 * MB) + b'"}'),
    ("hook twice", "400", replaced('{"hook": ', '{"hook": "patient-view", "hook": ')),
    ("hook twice, once escaped", "400", replaced('{"hook": ', '{"h\\u006fok": "x", "hook": ')),
    ("patientId twice", "400", replaced('"context": {', '"context": {"patientId": "other", ')),
    (
        "conditions twice in prefetch",
        "400",
        replaced('"prefetch": {', '"prefetch": {"conditions": {}, "conditions": {}, '),
    ),
    (
        "code of an order twice",
        "400",
        replaced(
            '{"resourceType": "ServiceRequest", ', '{"code": {}, "resourceType": "ServiceRequest", '
        ),
    ),
    ("number of 5000 digits in an order", "400", inside("order", "9" * 5000)),
    ("number of 1e999 in an order", "400", inside("order", "1e999")),
    ("number of 1e999 as hook", "400", replaced('{"hook": "order-sign"', '{"hook": 1e999')),
    ("number of 1e999 as patientId", "400", lambda: changed_to("patientId", "1e999")),
    ("number of 5000 digits as userId", "400", lambda: changed_to("userId", "9" * 5000)),
    ("number of 1e999 as fhirServer", "400", replaced("{", '{"fhirServer": 1e999, ')),
    (
        "number of 1e999 in fhirAuthorization",
        "400",
        replaced("{", '{"fhirAuthorization": {"expires_in": 1e999}, '),
    ),
    ("number of 1e999 in an unknown member", "200: not read", inside("context", "1e999")),
    ("NaN in an order", "400", inside("order", "NaN")),
    ("NaN in a resource", "400", inside("condition", "NaN")),
    ("Infinity in context", "400", inside("context", "-Infinity")),
    ("half a surrogate pair in a resource", "400", inside("condition", '"\\ud800"')),
    ("half a surrogate pair in context", "400", inside("context", '"\\udc00 x"')),
    ("bytes that are no UTF-8", "400", lambda: text().encode().replace(b"order-sign", b"\xff\xfe")),
    ("overlong UTF-8", "400", lambda: text().encode().replace(b"order-sign", b"\xc0\xaf", 1)),
    ("surrogates as UTF-8", "400", lambda: text().encode().replace(b"sign", b"\xed\xa0\x80", 1)),
    ("NUL byte", "400", lambda: text().encode().replace(b"order-sign", b"order\x00sign", 1)),
    ("comment", "400", replaced('{"hook"', '/* x */ {"hook"')),
    ("comma too much", "400", inside("body", "[1,]")),
    ("text after the end", "400", lambda: text().encode() + b" {}"),
    ("cut off", "400", lambda: text().encode()[:-20]),
    ("single quotes", "400", lambda: text().replace('"', "'").encode()),
    ("list as prefetch", "400", replaced('"prefetch": {', '"prefetch": [], "more": {')),
    ("text as draftOrders", "400", replaced('"draftOrders": {', '"draftOrders": "x", "more": {')),
    (
        "orders as text, nested 50000 deep",
        "400",
        lambda: changed("context", "draftOrders", objects(50_000)),
    ),
    ("number as patientId", "400", lambda: changed("context", "patientId", 7)),
    ("object as hook", "400", lambda: json.dumps(high() | {"hook": {}}).encode()),
    ("patientId of 1 MB", "400", lambda: changed("context", "patientId", "x" * MB)),
    ("patientId as path", "400", lambda: changed("context", "patientId", "../../Patient/x/../y")),
    (
        "hookInstance of 1 MB",
        "400",
        with_id_of(MB),
    ),
]


def changed(member: str, name: str, value: Any) -> bytes:
    body = high()
    body[member] = {**body[member], name: value}
    return json.dumps(body).encode()


def changed_to(name: str, value: str) -> bytes:
    """A member of context replaced by JSON as text."""
    return changed("context", name, "@").replace(b'"@"', value.encode())


def members(number: int) -> bytes:
    return b"".join(b'"m%d":0,' % i for i in range(number))


def many_members(member: str) -> bytes:
    return replaced(f'"{member}": {{', f'"{member}": {{' + members(100_000).decode())()


def many_orders(number: int) -> dict[str, Any]:
    body = high()
    orders = body["context"]["draftOrders"]
    orders["entry"] = orders["entry"] * number
    return body


@attacks(KIND, BODIES)
def test_a_hostile_body(client: AppClient, answer: str, value: Body) -> None:
    body = value()
    response = client.post(SIGN, content=body, headers={"content-type": "application/json"})

    assert response.status_code == status_of(answer)
    assert len(response.content) < (2_000 if response.status_code >= 400 else 20_000)
    health = client.get("/health/live")
    assert health.status_code == 200


# --- packed ---


def bomb(size: int, level: int = 9) -> bytes:
    return gzip.compress(b" " * size, level)


PACKED: list[tuple[str, str, tuple[bytes, str]]] = [
    ("gzip bomb of 1 GB in 1 MB", "413", (bomb(64 * MB) * 16, "gzip")),
    ("gzip bomb in a gzip bomb", "413", (gzip.compress(bomb(200 * MB)), "gzip, gzip")),
    ("deflate bomb", "413", (zlib.compress(b" " * 100 * MB), "deflate")),
    ("gzip cut off", "400", (gzip.compress(b'{"hook": 1}')[:-9], "gzip")),
    ("gzip with a wrong checksum", "400", (gzip.compress(b"{}")[:-8] + b"\0" * 8, "gzip")),
    ("no gzip", "400", (b'{"hook": 1}', "gzip")),
    ("ten layers of packing", "400", (b"{}", ", ".join(["gzip"] * 10))),
    ("gzip of 800,000 empty parts", "400", (gzip.compress(b"") * 800_000, "gzip")),
    ("gzip with something behind it", "400", (gzip.compress(b"{}") + b"\0x", "gzip")),
    ("brotli", "415", (b"{}", "br")),
    ("header with a thousand packings", "400", (b"{}", ", ".join(["gzip"] * 1000))),
]


@attacks(KIND, PACKED)
def test_a_hostile_package(client: AppClient, answer: str, value: tuple[bytes, str]) -> None:
    body, encoding = value
    headers = {"content-type": "application/json", "content-encoding": encoding}
    response = client.post(SIGN, content=body, headers=headers)

    assert response.status_code == int(answer)


MEDIA: list[tuple[str, str, str]] = [
    ("XML with an external entity", "415", "application/xml"),
    ("form", "415", "multipart/form-data; boundary=x"),
    ("unknown charset", "415", "application/json; charset=utf-7"),
    ("charset as code", "415", "application/json; charset=rot13"),
]


@attacks(KIND, MEDIA)
def test_a_hostile_media_type(client: AppClient, answer: str, value: str) -> None:
    body = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    response = client.post(SIGN, content=body, headers={"content-type": value})

    assert response.status_code == int(answer)
    assert "root:" not in response.text


# --- feedback ---

FEEDBACK: list[tuple[str, str, bytes]] = [
    ("feedback nested 1000 deep", "400", b'{"feedback": ' + deep(1000).encode() + b"}"),
    ("feedback that is no JSON", "400", b"{"),
    ("feedback with NaN", "400", b'{"feedback": [NaN]}'),
]


@attacks(KIND, FEEDBACK)
def test_hostile_feedback(client: AppClient, answer: str, value: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    response = client.post(SIGN + "/feedback", content=value, headers=kind)

    assert response.status_code == int(answer)


# --- what stays allowed ---


@attack(KIND, "prefetch as text, nested 50000 deep", "200, that input counts as unread")
@pytest.mark.parametrize("value", [deep(50_000), objects(50_000)])
def test_deep_text_in_prefetch(client: AppClient, value: str) -> None:
    response = client.post(SIGN, content=changed("prefetch", "conditions", value))

    assert response.status_code == 200
    assert response.json()["cards"][0]["indicator"] == "info"


@attack(KIND, "huge numbers in prefetch", "200, that resource counts as unread")
@pytest.mark.parametrize("number", ["1e999", "9" * 5000, "-1e999"])
def test_a_huge_number_in_prefetch(client: AppClient, number: str) -> None:
    body = text().replace(CONDITION, f'{CONDITION}"extra": {number}, ')
    response = client.post(SIGN, content=body.encode())

    assert response.status_code == 200


def test_the_limits_leave_room_for_real_charts(make_client: ClientFactory) -> None:
    body = many_orders(100)
    conditions = body["prefetch"]["conditions"]
    conditions["entry"] = conditions["entry"] * 5000
    response: httpx.Response = make_client().post(SIGN, json=body)

    assert response.status_code == 200


DEPTHS = [
    ("", 0), ("1", 0), ("[]", 1), ("[[]]", 2), ("[[],[[]],[]]", 3), ('{"[": []}', 2),
    ('["\\"[", {}]', 2), ('["\\\\", []]', 2), ('["[[[[", "]]"]', 1), ("[[[" , 3),
    ('{"a\\"": {"b": [1, "]", {}]}}', 4),
]  # fmt: skip


@pytest.mark.parametrize(("body", "depth"), DEPTHS)
def test_depth_is_counted_outside_of_strings(body: str, depth: int) -> None:
    brackets = bounds._brackets(body.encode())

    assert not bounds._is_deeper(brackets, max(depth, 1))
    if depth > 1:
        assert bounds._is_deeper(brackets, depth - 1)


def test_the_worst_input_for_the_count_of_depth_is_refused() -> None:
    from cds_service.ops.settings import Settings

    chain = b"[" * 100 + b"]" * 100 + b","
    body = b"[" + chain * (16 * MB // len(chain)) + b"1]"
    with pytest.raises(RequestError):
        bounds.check_body(body, Settings())
