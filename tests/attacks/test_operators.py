"""Attacks on the figures for operators: guessed tokens, copied cookies, odd headers and forms."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from cds_service.server.pages.lockout import MOST_OF_ALL, MOST_OF_ONE, WINDOW
from tests.support.attack_book import attack, attacks
from tests.support.constants import NOW

pytestmark = pytest.mark.anyio

KIND = "Operators"
TOKEN = "a-token-of-the-operator"
SECURE = {"public_url": "https://cds.example.org", "allow_anonymous": True}


class Site:
    """A service whose figures need a token; `now` is its clock."""

    def __init__(self, knowledge: Knowledge, url: str, **settings: Any) -> None:
        self.now: datetime = NOW
        given: dict[str, Any] = {"pages": True, "operator_token": TOKEN}
        given |= {"database_url": SecretStr(url)} | settings
        self.app = create_app(Settings(**given), knowledge, clock=lambda: self.now)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Site]:
        async with self.app.router.lifespan_context(self.app):
            yield self

    async def ask(
        self, path: str = "", method: str = "GET", address: str = "192.0.2.1", **more: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, False, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, f"/insights{path}", **more)

    async def log_in(self, token: str = TOKEN, **more: Any) -> httpx.Response:
        return await self.ask("/login", "POST", data={"token": token}, **more)

    async def status(self, cookie: str, path: str = "/time.csv") -> int:
        return (await self.ask(path, headers={"Cookie": cookie})).status_code


def cookie_of(response: httpx.Response) -> str:
    assert response.status_code == 303, response.text
    return response.headers["set-cookie"].split(";")[0]


@pytest.fixture
async def site(knowledge: Knowledge, database_url: str) -> AsyncIterator[Site]:
    async with Site(knowledge, database_url).at_work() as site:
        yield site


@pytest.fixture
def alone(knowledge: Knowledge) -> Site:
    """Without a database."""
    return Site(knowledge, "none")


# --- logins ---


async def test_a_login_lets_in_for_some_hours(alone: Site) -> None:
    cookie = cookie_of(await alone.log_in())
    assert TOKEN not in cookie
    assert await alone.status(cookie) == 200

    alone.now += timedelta(hours=9)
    assert await alone.status(cookie) == 401


@attack(KIND, "copy of a cookie after Leave", "401, in every worker and after a restart")
async def test_a_copy_of_the_cookie_dies_with_leave(
    knowledge: Knowledge, database_url: str
) -> None:
    first, other = (Site(knowledge, database_url, workers=2) for _ in range(2))
    async with first.at_work(), other.at_work():
        cookie, second = [cookie_of(await first.log_in()) for _ in range(2)]
        assert [await each.status(cookie) for each in (first, other)] == [200, 200]
        left = await first.ask("/leave", "POST", headers={"Cookie": cookie})
        assert left.status_code == 303
        assert "Max-Age=0" in left.headers["set-cookie"]
        assert [await each.status(cookie) for each in (first, other)] == [401, 401]
        assert await other.status(second) == 200  # another login goes on
    async with Site(knowledge, database_url).at_work() as again:
        assert await again.status(cookie) == 401


async def test_without_a_database_a_login_ends_with_its_process(
    alone: Site, knowledge: Knowledge
) -> None:
    cookie = cookie_of(await alone.log_in())
    await alone.ask("/leave", "POST", headers={"Cookie": cookie})

    assert await alone.status(cookie) == 401
    assert await Site(knowledge, "none").status(cookie_of(await alone.log_in())) == 401
    several = await Site(knowledge, "none", workers=2).log_in()
    assert several.status_code == 401
    assert "Authorization: Bearer" in several.text


async def test_leave_is_not_acknowledged_before_it_is_kept(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    async with Site(knowledge, f"sqlite:///{tmp_path / 'file' / 'db'}").at_work() as site:
        cookie = cookie_of(await site.log_in())
        assert await site.status(cookie) == 503  # nobody knows whether it was left
        left = await site.ask("/leave", "POST", headers={"Cookie": cookie})
        with_token = await site.ask("/time.csv", headers={"Authorization": f"Bearer {TOKEN}"})

    assert left.status_code == 503
    assert "set-cookie" not in left.headers
    assert with_token.status_code == 200


@attacks(
    KIND,
    [
        ("made-up cookie", "401", "9999999999.x.y"),
        ("cookie that was lengthened", "401", "longer"),
        ("cookie of another name", "401", "renamed"),
        ("cookie without a signature", "401", "9999999999."),
        ("cookie with digits of another script", "401", "٣.x.y"),
        ("cookie with a negative end", "401", "-1.x.y"),
        ("cookie with an end of 40 digits", "401", "9" * 40 + ".x.y"),
    ],
)
async def test_made_up_cookies(answer: str, value: str, alone: Site) -> None:
    name, _, made = cookie_of(await alone.log_in()).partition("=")
    expires, login, signature = made.split(".")
    said = {
        "longer": f"{int(expires) + 1}.{login}.{signature}",
        "renamed": f"{expires}.{login[::-1]}.{signature}",
    }.get(value, value)

    cookie = f"{name}={said}".encode()
    response = await alone.ask("/time.csv", headers={"Cookie": cookie})
    assert response.status_code == 401


@attack(KIND, "cookie read by scripts, sent across sites or in the clear",
        "HttpOnly, SameSite=Strict, and Secure behind TLS")  # fmt: skip
async def test_the_cookie_is_kept_close(alone: Site, knowledge: Knowledge) -> None:
    said = (await alone.log_in()).headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Path=/insights"):
        assert word in said
    assert "Secure" not in said
    behind_tls = Site(knowledge, "none", **SECURE)
    in_ = await behind_tls.log_in()
    out = await behind_tls.ask("/leave", "POST", headers={"Cookie": cookie_of(in_)})
    for response in (in_, out):
        assert "; Secure" in response.headers["set-cookie"]


# --- guessing ---


@attack(KIND, "guessed tokens from one address", "429 after 5 in 15 minutes")
async def test_guesses_from_one_address(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(MOST_OF_ONE):
        assert (await alone.log_in("wrong")).status_code == 401
    locked = await alone.log_in()
    assert (locked.status_code, locked.headers["retry-after"]) == (429, "900")
    assert "15 minutes" in locked.text
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert (await alone.ask(headers=bearer)).status_code == 429
    assert (await alone.log_in(address="192.0.2.2")).status_code == 303
    alone.now += WINDOW
    assert (await alone.log_in()).status_code == 303
    lines = capsys.readouterr().err
    assert lines.count('"reason":"wrong token"') == MOST_OF_ONE
    assert lines.count('"reason":"locked out"') == 2
    assert lines.count('"event":"operator let in"') == 2
    assert TOKEN not in lines


@attack(KIND, "guessed tokens in the Authorization header", "429 after 5 in 15 minutes")
async def test_guesses_in_the_header(alone: Site) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    answers = [(await alone.ask("/time.csv", headers=wrong)).status_code for _ in range(6)]
    assert answers == [401] * MOST_OF_ONE + [429]


@attack(KIND, "guessed tokens from many addresses", "429 after 50 in 15 minutes, for all")
async def test_guesses_from_many_addresses(alone: Site) -> None:
    cookie = cookie_of(await alone.log_in())
    for number in range(MOST_OF_ALL):
        address = f"2001:db8:0:{number:x}::1"
        assert (await alone.log_in("wrong", address=address)).status_code == 401
    assert (await alone.log_in(address="2001:db8:1::1")).status_code == 429
    assert await alone.status(cookie) == 200  # who is in stays in


async def test_one_ipv6_network_is_one_address(alone: Site) -> None:
    for number in range(MOST_OF_ONE):
        await alone.log_in("wrong", address=f"2001:db8::{number + 1:x}")
    assert (await alone.log_in(address="2001:db8::ffff")).status_code == 429


async def test_the_right_token_forgets_the_wrong_ones(alone: Site) -> None:
    for _ in range(3):
        for _ in range(MOST_OF_ONE - 1):
            assert (await alone.log_in("wrong")).status_code == 401
        assert (await alone.log_in()).status_code == 303


# --- what comes in ---


@attacks(
    KIND,
    [
        ("Host that is no host", "421", {"Host": "["}),
        ("Host with signs of other alphabets", "421", {"Host": "ехample".encode()}),
        ("Origin that is no URL", "403", {"Origin": "http://["}),
        ("cookie of 20 kB", "401", {"Cookie": "cds-operator=" + "x" * 20_000}),
        ("cookie that is no text", "401", {"Cookie": b"cds-operator=\xff.\xfe.\xfd"}),
        ("token that is no text", "401", {"Authorization": b"Bearer \xff\xfe"}),
    ],
)
async def test_odd_headers_are_no_faults(answer: str, value: Any, knowledge: Knowledge) -> None:
    site = Site(knowledge, "none", allow_anonymous=True)
    for path, method in (("", "GET"), ("/time.csv", "GET"), ("/login", "POST"), ("/leave", "POST")):
        response = await site.ask(path, method, headers=value)
        assert response.status_code in {int(answer), 303} - ({303} if path != "/leave" else set())


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 401),
        (b"token", 401),
        (b"token=\xff\xfe", 400),
        (b"token=%ff%fe", 401),
        (b"&".join(b"a=1" for _ in range(11)), 400),
        (b"token=" + b"x" * 100_000, 401),
    ],
)
async def test_odd_forms_are_no_faults(content: bytes, status: int, alone: Site) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await alone.ask("/login", "POST", content=content, headers=form)

    assert response.status_code == status


async def test_where_no_token_is_set_there_is_no_login(knowledge: Knowledge) -> None:
    assert (await Site(knowledge, "none", operator_token=None).log_in("")).status_code == 404
    outside = Site(knowledge, "none", operator_token=None, **SECURE)
    assert (await outside.log_in("")).status_code == 404


@attack(KIND, "figures framed or sniffed", "the headers of a page on CSV, login and errors, too")
async def test_everything_carries_the_headers_of_a_page(alone: Site) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    shown = await alone.ask(headers=bearer)
    others = [
        await alone.ask("/time.csv", headers=bearer),
        await alone.ask("/time.csv?demo=1", headers=bearer),
        await alone.ask("/none.csv", headers=bearer),
        await alone.ask("/time.csv"),
        await alone.ask(),
        await alone.log_in(),
        await alone.ask("/leave", "POST"),
        await alone.ask(headers={"Origin": "http://localhost:3000"}),
    ]
    names = ["content-security-policy", "cross-origin-opener-policy", "referrer-policy",
             "cross-origin-resource-policy", "x-content-type-options"]  # fmt: skip

    assert re.search("default-src 'none'.*frame-ancestors 'none'", shown.headers[names[0]])
    for response in others:
        assert [response.headers[name] for name in names] == [shown.headers[n] for n in names]
        assert response.headers["cache-control"] == "no-store"
