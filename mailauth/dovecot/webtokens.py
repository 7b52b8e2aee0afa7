"""JSON web tokens as Dovecot verifies them by itself (introspection_mode = local).

Source: oauth2_try_parse_jwt() and what it calls, src/lib-oauth2/oauth2-jwt.c of Dovecot 2.3.19.1 and 2.4.1;
it judges the same from 2.3.17 to 2.3.20, and from 2.3.21 to 2.4.1; the leeway for clocks is 2.4.2's.
RFC 7515, RFC 7519.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailauth import digits
from mailauth.dovecot.json_objects import loaded
from mailauth.dovecot.oauth2 import OAuth2
from mailauth.dovecot.tokens import Fields, TokenFault, TokenTold, scalar
from mailauth.errors import CannotObserve
from mailauth.later import later

if TYPE_CHECKING:
    from cryptography import exceptions
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
else:
    exceptions = later("cryptography.exceptions")
    hashes = later("cryptography.hazmat.primitives.hashes")
    serialization = later("cryptography.hazmat.primitives.serialization")
    ec = later("cryptography.hazmat.primitives.asymmetric.ec")
    padding = later("cryptography.hazmat.primitives.asymmetric.padding")
    rsa = later("cryptography.hazmat.primitives.asymmetric.rsa")
    utils = later("cryptography.hazmat.primitives.asymmetric.utils")

_PARTS = 3
_DIGESTS = {"256": "sha256", "384": "sha384", "512": "sha512"}
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]")
_MOST = 2**63

Key = Callable[[str], bytes | str]
"""A key's file by its name in the store, or why it cannot be read."""


def validated(set_so: OAuth2, token: bytes, now: int, key: Key) -> TokenTold | Fields:
    """The claims of a token that Dovecot takes.  Raises CannotObserve where that stays open."""
    parts = token.split(b".")
    if len(parts) != _PARTS:
        return _form("it has not the three parts that a JSON web token has; introspection_mode is local")
    try:
        head, body = (loaded(_decoded(part)) for part in parts[:2])
    except ValueError:
        return _form("its first two parts are no JSON in base64url; introspection_mode is local")
    if not set_so.strict and _claim(head, "typ") != "JWT":
        return _form("its header has not typ = JWT, which Dovecot before 2.3.21 wants")
    algorithm, name = (_claim(head, "alg") or "").upper(), _claim(head, "kid")
    if not algorithm or name == "":
        return _form("its header has no alg" if not algorithm else "the kid of its header is empty")
    wrong = _times(set_so, body, now) or _issued(set_so, body) or _meant(set_so, body)
    if wrong:
        return wrong
    client = _claim(body, "azp")
    file = "/".join(_escaped(one) for one in (client or "default", algorithm, name or "default"))
    return _signed(parts, algorithm, file, key) or _fields(set_so, body)


def _form(says: str) -> TokenTold:
    return TokenTold(TokenFault.FORM, says)


def _decoded(part: bytes) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), b"-_", validate=True)
    except binascii.Error:
        raise ValueError from None


def _claim(found: dict[str, Any], name: str) -> str | None:
    return scalar(found[name], name) if name in found else None


def _escaped(name: str) -> str:
    if name.startswith("."):
        raise CannotObserve("the name of its key begins with a dot; a login shows what Dovecot makes of it.")
    return name.replace("%", "%25").replace("/", "%2f")


def _times(set_so: OAuth2, body: dict[str, Any], now: int) -> TokenTold | None:
    if _claim(body, "sub") is None:
        return _form("it has no sub, which Dovecot wants")
    found: dict[str, int] = {}
    for name in ("exp", "nbf", "iat"):
        text = _claim(body, name)
        if text is not None and (seconds := _seconds(name, text)) is None:
            return _form(f"its {name} is no number of seconds")
        if text is not None and seconds is not None:
            found[name] = seconds
    if "exp" not in found:
        return _form("it has no exp, which Dovecot wants")
    return _in_time(set_so, found["exp"], found.get("nbf") or now, found.get("iat") or now, now)


def _seconds(name: str, text: str) -> int | None:
    """Raises CannotObserve for a date in words, which Dovecot takes in some forms."""
    if _ISO.match(text):
        raise CannotObserve(f"its {name} is a date in words; a login shows what Dovecot makes of it.")
    number = digits.number(text)
    return number if number is not None and number < _MOST else None


def _in_time(set_so: OAuth2, end: int, begin: int, issued: int, now: int) -> TokenTold | None:
    for says, seconds in (("is valid from", begin), ("was issued at", issued)):
        if seconds > now + set_so.ahead:
            text = f"it {says} {_clock(seconds)}, and here it is {_clock(now)}; see that the clocks agree"
            return TokenTold(TokenFault.EARLY, text)
    if end < now - set_so.grace:
        return TokenTold(TokenFault.EXPIRED, f"it expired at {_clock(end)}, and it is {_clock(now)}")
    if end < issued or end < begin:
        return _form("its exp is before its iat or nbf")
    if set_so.older and begin < issued:
        return _form("its nbf is before its iat, which this Dovecot refuses")
    return None


def _clock(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def _issued(set_so: OAuth2, body: dict[str, Any]) -> TokenTold | None:
    if not set_so.issuers:
        return None
    issuer = _claim(body, "iss")
    if issuer in set_so.issuers:
        return None
    told = "it has no iss" if issuer is None else f"its iss is {issuer[:128]!r}"
    return TokenTold(TokenFault.ISSUER, f"{told}, and issuers has {' '.join(set_so.issuers)}")


def _meant(set_so: OAuth2, body: dict[str, Any]) -> TokenTold | None:
    """The audience and the scope, which count from 2.3.21 on; all of the scopes are wanted."""
    if not set_so.strict:
        return None
    if set_so.client_id:
        value = body.get("aud")
        listed = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if set_so.client_id not in listed:
            have = ", ".join(str(one) for one in listed)[:128] or "none"
            return TokenTold(TokenFault.AUDIENCE, f"its aud is {have}, and client_id is {set_so.client_id}")
    if set_so.scope:
        have = _claim(body, "scope") or ""
        got = {one.lower() for one in re.split("[ ,]", have)}
        if missing := [one for one in set_so.scope if one.lower() not in got]:
            told = f"has the scope {have[:128]!r}" if have else "has no scope"
            return TokenTold(TokenFault.SCOPE, f"it {told}, without {' '.join(missing)}, which scope wants")
    return None


def _signed(parts: list[bytes], algorithm: str, file: str, key: Key) -> TokenTold | None:
    kind, digest = algorithm[:2], _DIGESTS.get(algorithm[2:], "")
    if kind not in ("HS", "RS", "PS", "ES") or not digest:
        return _form(f"Dovecot has not its algorithm, {algorithm[:16]}")
    found = key(file)
    if isinstance(found, str):
        return TokenTold(TokenFault.KEY, f"the key {file}: {found}", sure=False)
    try:
        signature = _decoded(parts[2])
    except ValueError:
        return TokenTold(TokenFault.SIGNATURE, "its signature is no base64url")
    message = b".".join(parts[:2])
    if kind == "HS":
        secret = _secret(found, file)
        right = hmac.compare_digest(hmac.digest(secret, message, digest), signature)
    else:
        right = _verified(kind, digest, found, (message, signature), file)
    if right:
        return None
    return TokenTold(
        TokenFault.SIGNATURE, f"its signature ({algorithm}) was not made with the key {file}", sure=False
    )


def _secret(found: bytes, file: str) -> bytes:
    try:
        secret = base64.b64decode(b"".join(found.split()), validate=True)
    except binascii.Error:
        secret = b""
    if not secret:
        raise CannotObserve(f"the key {file} is not plain base64; a login shows what Dovecot makes of it.")
    return secret


def _verified(kind: str, digest: str, found: bytes, signed: tuple[bytes, bytes], file: str) -> bool:
    """Raises CannotObserve for a key that is not read here."""
    message, signature = signed
    try:
        public = serialization.load_pem_public_key(found)
    except (ValueError, exceptions.UnsupportedAlgorithm):
        raise CannotObserve(
            f"the key {file} is no public key in PEM; a login shows what Dovecot makes of it."
        ) from None
    method = getattr(hashes, digest.upper())()
    try:
        if isinstance(public, rsa.RSAPublicKey) and kind in ("RS", "PS"):
            pss = padding.PSS(padding.MGF1(method), padding.PSS.AUTO)
            public.verify(signature, message, padding.PKCS1v15() if kind == "RS" else pss, method)
        elif isinstance(public, ec.EllipticCurvePublicKey) and kind == "ES":
            half = len(signature) // 2
            one, other = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
            public.verify(utils.encode_dss_signature(one, other), message, ec.ECDSA(method))
        else:
            raise CannotObserve(
                f"the key {file} does not fit its algorithm; a login shows what Dovecot makes of it."
            )
    except exceptions.InvalidSignature:
        return False
    return True


def _fields(set_so: OAuth2, body: dict[str, Any]) -> Fields:
    """oauth2_jwt_copy_fields(): those at the top, and with 2.4 those inside others, too."""
    found: Fields = {}
    for name, value in body.items():
        if value is None:
            found[name] = "\0"
        elif (text := scalar(value, name)) is not None:
            found[name] = text
        elif isinstance(value, list):
            found[name] = "\t".join(str(one) for one in value) if set_so.dialect == "2.4" else "\0"
        elif isinstance(value, dict) and set_so.dialect == "2.4":
            inner = _fields(set_so, value)
            found |= {f"{name}_{key}": text for key, text in inner.items()}
        else:
            found |= _fields(set_so, value)
    return found
