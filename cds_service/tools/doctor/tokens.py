"""Signs the tokens of an examination: good ones, and ones that a service must refuse."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from jwt.exceptions import InvalidKeyError, PyJWKError

_ALGORITHMS = {"EC": "ES384", "RSA": "RS384"}
LIFETIME = 300
"""Seconds for which a token is good."""


class KeyFileError(ValueError):
    """The file of the private key cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs JWTs of CDS Hooks (2.0 "Trusting CDS Clients") with one private key."""

    key: Any
    algorithm: str
    kid: str
    issuer: str
    jku: str | None = None
    tenant: str | None = None

    def token(self, audience: str, *, age: int = 0, id_: str | None = None) -> str:
        """A token for this URL that was issued `age` seconds ago."""
        headers = {"kid": self.kid} | ({"jku": self.jku} if self.jku else {})
        claims = _claims(self.issuer, audience, age, id_)
        if self.tenant:
            claims["tenant"] = self.tenant
        return jwt.encode(claims, self.key, self.algorithm, headers)


def _claims(issuer: str, audience: str, age: int, id_: str | None) -> dict[str, Any]:
    now = int(time.time()) - age
    return {
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": id_ or str(uuid4()),
    }


def read_signer(file: Path, issuer: str, jku: str | None, tenant: str | None) -> Signer:
    """The signer for a private JWK (EC P-384 or RSA). Raises KeyFileError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        keys = found.get("keys", [found])
        raw = next(key for key in keys if "d" in key)
        algorithm = _ALGORITHMS[raw["kty"]]
        key = jwt.PyJWK(raw, algorithm)
    except OSError as error:
        raise KeyFileError(f"cannot be read: {error.strerror}") from None
    except StopIteration:
        raise KeyFileError("holds no private key") from None
    except (ValueError, KeyError, AttributeError, TypeError, PyJWKError, InvalidKeyError):
        raise KeyFileError("is no JWK of type EC (P-384) or RSA") from None
    if algorithm == "ES384" and raw.get("crv") != "P-384":
        raise KeyFileError("ES384 needs a key on the curve P-384")
    return Signer(key.key, algorithm, str(raw.get("kid", "doctor")), issuer, jku, tenant)


def make_key(kid: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new private JWK for ES384, and the JWK Set with its public half, to be registered."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
    from jwt.algorithms import ECAlgorithm

    named = {"kid": kid, "use": "sig", "alg": "ES384"}
    private = json.loads(ECAlgorithm.to_jwk(generate_private_key(SECP384R1()))) | named
    public = {name: value for name, value in private.items() if name != "d"}
    return private, {"keys": [public]}


def unsigned(audience: str, issuer: str) -> str:
    """A token of algorithm `none`."""
    return jwt.encode(_claims(issuer, audience, 0, None), "", "none", {"kid": "doctor"})


def symmetric(audience: str, issuer: str) -> str:
    """A token of algorithm HS256 with a secret that anybody can know."""
    secret = base64.urlsafe_b64encode(b"doctor".ljust(32, b".")).decode()
    return jwt.encode(_claims(issuer, audience, 0, None), secret, "HS256", {"kid": "doctor"})
