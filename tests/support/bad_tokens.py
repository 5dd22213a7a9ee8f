"""Tokens that must be refused: each differs in one thing from one that is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt

from tests.support.constants import NOW
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, base64url, public_pem, raw_token, sign

ISSUER = Issuer(NOW)
RSA = replace(ISSUER, kid="rsa", kind="RSA-2048", algorithm="RS384")
OTHER_ISS = "https://other.example.org"
OTHER = replace(ISSUER, iss=OTHER_ISS, kid="theirs", kind="P-384#other")
AT = int(NOW.timestamp())

Make = Callable[[], str]


def token(issuer: Issuer = ISSUER, headers: dict[str, Any] | None = None, **changes: Any) -> Make:
    """A token made when the test runs; tenant t1 unless said otherwise."""
    return lambda: issuer.token(headers, **({"tenant": "t1"} | changes))


def by_hand(header: Any, *, key: str | None = None, **changes: Any) -> Make:
    """A token of parts as given. `key`: signed with that text as HMAC secret."""

    def make() -> str:
        claims = ISSUER.claims(**({"tenant": "t1"} | changes))
        if key is None:
            return raw_token(header, claims, b"signature")
        unsigned = raw_token(header, claims).rstrip(".")
        algorithm = jwt.get_algorithm_by_name(str(header["alg"]))
        return f"{unsigned}.{base64url(algorithm.sign(unsigned.encode(), public_pem(key)))}"

    return make


def claims_text(text: str) -> Make:
    """A rightly signed token whose payload is text that json.dumps would not write."""

    def make() -> str:
        header = {"alg": "ES384", "kid": ISSUER.kid, "typ": "JWT"}
        return sign(header, text % {"at": AT}, "P-384")

    return make


def changed(part: int) -> Make:
    """A token with one part taken from another token."""

    def make() -> str:
        parts = ISSUER.token(tenant="t1").split(".")
        parts[part] = ISSUER.token(tenant="t1", sub="admin").split(".")[part]
        return ".".join(parts)

    return make


BODY = (
    '{"iss": "https://ehr.example.org/oauth2", "aud": "https://cds.example.org'
    '/cds-services/ho-order-sign", "tenant": "t1", "jti": "x", "iat": %(at)d, '
)

TOKENS: list[tuple[str, str, Make]] = [
    ("text that is no token", "401", lambda: "hello"),
    ("three empty parts", "401", lambda: ".."),
    ("encrypted token", "401", lambda: "a.b.c.d.e"),
    ("token of 100 kB", "401", token(sub="x" * 100_000)),
    ("payload nested 5000 deep", "401", claims_text("[" * 5000 + "]" * 5000)),
    ("payload that is a list", "401", claims_text("[]")),
    ("alg none", "401", by_hand({"alg": "none", "kid": ISSUER.kid, "typ": "JWT"})),
    ("alg None with other case", "401", by_hand({"alg": "NoNe", "kid": ISSUER.kid})),
    ("alg empty", "401", by_hand({"alg": "", "kid": ISSUER.kid})),
    ("alg missing", "401", by_hand({"kid": ISSUER.kid})),
    ("alg a list", "401", by_hand({"alg": ["ES384"], "kid": ISSUER.kid})),
    (
        "HS256 with the public key as secret",
        "401",
        by_hand({"alg": "HS256", "kid": "rsa"}, key="RSA-2048"),
    ),
    (
        "HS384 with the public key as secret",
        "401",
        by_hand({"alg": "HS384", "kid": ISSUER.kid}, key="P-384"),
    ),
    ("RS256 that is not allowed", "401", token(replace(RSA, algorithm="RS256"))),
    (
        "ES256 that is not allowed",
        "401",
        token(replace(ISSUER, kid="p256", kind="P-256", algorithm="ES256")),
    ),
    ("RS384 with the kid of an EC key", "401", token(replace(RSA, kid=ISSUER.kid))),
    ("ES384 with the kid of an RSA key", "401", token(replace(ISSUER, kid="rsa"))),
    ("weak RSA key", "401", token(replace(RSA, kid="weak", kind="RSA-1024"))),
    ("key for encryption", "401", token(replace(ISSUER, kid="encryption", kind="P-384#enc"))),
    ("key bound to another algorithm", "401", token(replace(RSA, kid="bound"))),
    ("kid missing", "401", token(headers={"kid": None})),
    ("kid unknown", "401", token(replace(ISSUER, kid="nobody"))),
    ("kid of another client", "401", token(replace(OTHER, iss=ISS))),
    ("kid as path", "401", token(replace(ISSUER, kid="../../../../etc/passwd"))),
    ("kid as SQL", "401", token(replace(ISSUER, kid="x' OR '1'='1"))),
    ("kid of 10 kB", "401", token(replace(ISSUER, kid="k" * 10_000))),
    ("iss of another client", "401", token(replace(ISSUER, iss=OTHER_ISS))),
    ("iss unknown", "401", token(iss="https://evil.example.org")),
    ("iss missing", "401", token(iss=None)),
    ("iss a list", "401", token(iss=[ISS])),
    ("iss with a slash more", "401", token(iss=ISS + "/")),
    ("key in the header", "401", token(replace(ISSUER, kind="P-384#mine"), {"jwk": {"kty": "EC"}})),
    (
        "certificate URL in the header",
        "401",
        token(replace(ISSUER, kind="P-384#mine"), {"x5u": "http://localhost:1/x"}),
    ),
    ("critical extension", "401", token(headers={"crit": ["exp"], "exp": 1})),
    (
        "payload left out with b64",
        "401",
        by_hand({"alg": "ES384", "kid": ISSUER.kid, "b64": False}),
    ),
    ("token of another type", "401", token(headers={"typ": "at+jwt"})),
    ("signature of another token", "401", changed(2)),
    ("payload of another token", "401", changed(1)),
    ("signature missing", "401", lambda: ISSUER.token(tenant="t1").rpartition(".")[0] + "."),
    ("signed by somebody else with the right kid", "401", token(replace(ISSUER, kind="P-384#me"))),
    ("expired", "401", token(exp=AT - 60, iat=AT - 300)),
    ("issued in the future", "401", token(iat=AT + 61, exp=AT + 300)),
    ("not valid before later", "401", token(nbf=AT + 61)),
    ("living two hours", "401", token(exp=AT + 7200)),
    ("expiring before it was issued", "401", token(iat=AT + 50, exp=AT + 40)),
    ("exp missing", "401", token(exp=None)),
    ("iat missing", "401", token(iat=None)),
    ("exp as text", "401", token(exp=str(AT + 60))),
    ("exp true", "401", token(exp=True)),
    ("exp infinite", "401", claims_text(BODY + '"exp": 1e400}')),
    ("exp not a number", "401", claims_text(BODY + '"exp": NaN}')),
    ("exp of 400 digits", "401", claims_text(BODY + '"exp": ' + "9" * 400 + "}")),
    ("aud of another service", "401", token(aud=PUBLIC + "/cds-services/other")),
    ("aud of the Host header", "401", token(aud="http://localhost" + SIGN)),
    ("aud of the root", "401", token(aud=PUBLIC)),
    ("aud of the feedback endpoint", "401", token(aud=PUBLIC + SIGN + "/feedback")),
    ("aud missing", "401", token(aud=None)),
    ("aud an object", "401", token(aud={"url": PUBLIC + SIGN})),
    ("aud only near", "401", token(aud=PUBLIC + SIGN + "/")),
    ("tenant unknown", "401", token(tenant="t3")),
    ("tenant missing", "401", token(tenant=None)),
    ("tenants as list", "401", token(tenant=["t1"])),
    ("jti missing", "401", token(jti=None)),
    ("jti empty", "401", token(jti="")),
    ("jti a number", "401", token(jti=7)),
    ("jti of 10 kB", "401", token(jti="j" * 10_000)),
]
