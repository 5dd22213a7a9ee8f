"""Public keys of EHR clients: reads a JWK Set, and finds the key that a token was signed with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

ALGORITHMS = ("ES384", "RS384", "ES256", "RS256")
"""What can be allowed at all. The first two are the recommended ones (CDS Hooks 2.0 L944)."""

MIN_RSA_BITS = 2048
MAX_KEYS = 100
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1"}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysError(ValueError):
    """A JWK Set that cannot be used. The message names the key by position, never by content."""


@dataclass(frozen=True, slots=True)
class Key:
    """One usable public key. `algorithm` is set where the JWK binds the key to one."""

    kid: str
    algorithm: str | None
    public: PublicKey

    def fits(self, algorithm: str) -> bool:
        """Whether this key may verify that algorithm (RFC 8725 section 3.1)."""
        if self.algorithm is not None and self.algorithm != algorithm:
            return False
        from cryptography.hazmat.primitives.asymmetric import rsa

        if isinstance(self.public, rsa.RSAPublicKey):
            return algorithm.startswith("RS") and self.public.key_size >= MIN_RSA_BITS
        return self.public.curve.name == _CURVES.get(algorithm)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one client, by `kid`; `left_out` are the positions of the others."""

    keys: Mapping[str, tuple[Key, ...]]
    left_out: tuple[int, ...] = ()

    def find(self, kid: str, algorithm: str) -> tuple[Key, ...]:
        """Keys of this id that fit the algorithm; empty when there is none."""
        return tuple(key for key in self.keys.get(kid, ()) if key.fits(algorithm))

    def __contains__(self, kid: str) -> bool:
        return kid in self.keys

    def __len__(self) -> int:
        return sum(len(keys) for keys in self.keys.values())


def read_keys(data: Any) -> KeySet:
    """Read a JWK Set (RFC 7517 section 5), decoded or as JSON bytes.

    Keys of a kind that is not used here are left out, as the RFC asks. Raises KeysError when the
    set has no usable key, and when it holds a secret or private key: whoever publishes one has to
    hear of it.
    """
    if isinstance(data, bytes):
        try:
            data = msgspec.json.decode(data)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
            raise KeysError("is not JSON") from None
    entries = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise KeysError("has no list `keys`")
    if len(entries) > MAX_KEYS:
        raise KeysError(f"has more than {MAX_KEYS} keys")
    found: dict[str, tuple[Key, ...]] = {}
    left_out: list[int] = []
    for position, entry in enumerate(entries):
        key = _read_key(entry, position)
        if key is None:
            left_out.append(position)
        else:
            found[key.kid] = (*found.get(key.kid, ()), key)
    if not found:
        raise KeysError("has no public EC or RSA key with a kid that can verify a signature")
    return KeySet(MappingProxyType(found), tuple(left_out))


def _read_key(entry: Any, position: int) -> Key | None:
    import jwt  # it and cryptography cost too much to load where no client is registered
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if not isinstance(entry, dict):
        raise KeysError(f"keys[{position}] is not an object")
    if _PRIVATE_MEMBERS & entry.keys():
        raise KeysError(f"keys[{position}] is a secret or private key; publish only public keys")
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not isinstance(kid, str) or not kid or not _is_for_signatures(entry):
        return None
    if algorithm is not None and algorithm not in ALGORITHMS:
        return None
    try:
        public = jwt.PyJWK(entry).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None  # a kind of key that is not used here
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return None
    return Key(kid, algorithm, public)


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    return entry.get("use") in (None, "sig") and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )
