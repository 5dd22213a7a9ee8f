"""An EHR as the service sees it: keys, tokens, and a real server for its JWK Set."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISS = "https://ehr.example.org/oauth2"
PUBLIC = "https://cds.example.org"
SIGN = "/cds-services/ho-order-sign"
_NUMBERS = count(1)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def make_key(kind: str) -> PrivateKey:
    """A key, made in this test run and shared by its tests: P-256, P-384, or RSA with its bits.

    `P-384#2` is another key of the same kind.
    """
    kind = kind.partition("#")[0]
    if kind.startswith("P-"):
        return ec.generate_private_key(ec.SECP256R1() if kind == "P-256" else ec.SECP384R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))


def jwk(kind: str, kid: str, **members: Any) -> dict[str, Any]:
    """The public JWK of a key."""
    public = make_key(kind).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        data = json.loads(RSAAlgorithm.to_jwk(public))
    else:
        data = json.loads(ECAlgorithm.to_jwk(public))
    return {**data, "kid": kid, "use": "sig", **members}


def public_pem(kind: str) -> bytes:
    return (
        make_key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@dataclass
class Issuer:
    """Signs tokens. Times are relative to `now`, in seconds; None is the moment of signing."""

    now: datetime | None
    iss: str = ISS
    kid: str = "ec+1/a="
    kind: str = "P-384"
    algorithm: str = "ES384"
    audience: str = PUBLIC + SIGN

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims that are accepted, with changes; None takes a claim away."""
        at = int((self.now or datetime.now(UTC)).timestamp())
        claims = {
            "iss": self.iss,
            "aud": self.audience,
            "iat": at,
            "exp": at + 300,
            "jti": f"jti-{next(_NUMBERS)}",
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """A signed token, whatever it says; None takes a header away."""
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | (headers or {})
        header = {name: value for name, value in header.items() if value is not None}
        return sign(header, json.dumps(self.claims(**changes)), self.kind)


def sign(header: dict[str, Any], payload: str, kind: str) -> str:
    """Sign by hand: PyJWT refuses to write much of what an attacker would."""
    unsigned = raw_token(header, payload).rstrip(".")
    algorithm: Any = jwt.get_algorithm_by_name(header["alg"])
    return f"{unsigned}.{base64url(algorithm.sign(unsigned.encode(), make_key(kind)))}"


def raw_token(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Three parts as given, whatever they are; text stands for JSON that is written by hand."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    return ".".join(base64url(part.encode()) for part in parts) + "." + base64url(signature)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def client_toml(**members: Any) -> str:
    """One client of the registry as TOML; values as JSON, which TOML reads for these types."""
    lines = ["[[client]]"]
    jwks = members.pop("jwks", None)
    lines += [f"{name} = {json.dumps(value)}" for name, value in members.items()]
    if jwks is not None:
        keys = ", ".join(
            "{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in key.items()) + " }"
            for key in jwks["keys"]
        )
        lines += ["[client.jwks]", f"keys = [{keys}]"]
    return "\n".join(lines) + "\n"


def key_set(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"keys": list(keys)}


# --- servers ---


@dataclass
class WebServer:
    """A real HTTP server on loopback; `answer` decides, `paths` and `headers` are what came."""

    answer: Callable[[str], tuple[int, dict[str, str], bytes]]
    base: str = ""
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def serving(
    answer: Callable[[str], tuple[int, dict[str, str], bytes]], tls: ssl.SSLContext | None = None
) -> Iterator[WebServer]:
    """Run a server while the block runs."""
    web = WebServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.paths.append(self.path)
            web.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, body = web.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes
    web.base = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def json_answer(value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def certificate(folder: Path, name: str, *, with_san: bool = True) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a host name: its file, to be trusted as authority, and a server's context.

    Signed by itself; whoever does not trust the file refuses it.
    """
    key = make_key("P-256")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if with_san:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    built = builder.sign(key, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "certificate.pem"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret = folder / "key.pem"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, secret)
    return path, context
