"""A hospital with a registration of its own, and calls of its users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.issuer import ISS, PUBLIC, Issuer, client_toml, jwk, key_set

KEY = "a key of users for tests"
ORDERS = "/cds-services/ho-orders"
ISSUER = Issuer(NOW, audience=PUBLIC + ORDERS)


def registration(**members: Any) -> str:
    """The client `north` in TOML; `cards` and `rules` become tables."""
    tables = {name: members.pop(name) for name in ("cards", "rules") if name in members}
    lines = [client_toml(id="north", iss=ISS, **members).strip()]
    for name, table in tables.items():
        rows = ", ".join(f'"{key}" = "{mode}"' for key, mode in table.items())
        lines.append(f"{name} = {{ {rows} }}")
    jwks = json.dumps(key_set(jwk("P-384", ISSUER.kid))["keys"][0]).replace('":', '" =')
    return "\n".join([*lines, f"[client.jwks]\nkeys = [{jwks}]"]) + "\n"


def settings(folder: Path, **members: Any) -> dict[str, Any]:
    """Settings of a service that knows this client."""
    file = folder / "clients.toml"
    file.write_text(registration(**members))
    return {"clients": file, "public_url": PUBLIC, "user_key": SecretStr(KEY), "data_dir": folder}


def call(
    description: dict[str, Any], user: str = "Practitioner/1", hook: str = "order-sign"
) -> dict[str, Any]:
    """A call of one user about what is described."""
    body = build(description)
    body["hook"] = hook
    body["context"]["userId"] = user
    return body


def signed(issuer: Issuer = ISSUER) -> dict[str, str]:
    """Headers with a new token."""
    return {"Authorization": f"Bearer {issuer.token()}"}
