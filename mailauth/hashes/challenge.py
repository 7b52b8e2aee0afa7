"""CRAM-MD5, HMAC-MD5, DIGEST-MD5 and OTP: what challenge-response mechanisms need stored."""

import hmac
import secrets
import struct
from collections.abc import Callable

from mailauth.errors import UsageError
from mailauth.expressions import expression
from mailauth.hashes.digest import seconds as one_round
from mailauth.hashes.digest import shape
from mailauth.hashes.digests import md4, md5, md5_state, sha1
from mailauth.hashes.hash import MATCH, MISMATCH, Flaw, Judgement, Params, Password, Scheme, Verdict

_IPAD = bytes(i ^ 0x36 for i in range(256))
_OPAD = bytes(i ^ 0x5C for i in range(256))


def cram_context(password: bytes) -> bytes:
    """The two half-done MD5s of HMAC-MD5, the outer first.

    Source: hmac_md5_get_cram_context() in Dovecot 2.3.19.1 src/lib/hmac-cram-md5.c; RFC 2104.
    """
    key = (md5(password) if len(password) > 64 else password).ljust(64, b"\0")
    return md5_state(key.translate(_OPAD)) + md5_state(key.translate(_IPAD))


def _parse_cram(_payload: bytes) -> Params:
    return (("digest", 32),)


def _verify_cram(payload: bytes, password: Password, _user: str) -> Judgement:
    return MATCH if hmac.compare_digest(cram_context(password.text), payload) else MISMATCH


def _generate_cram(password: Password, _user: str, _options: dict[str, int | str]) -> bytes:
    return cram_context(password.text)


def digest_a1(user: str, password: bytes) -> bytes:
    """MD5 of user:realm:password; what follows the last @ of the user's name is the realm.

    Source: digest_md5_generate() in Dovecot 2.3.19.1 src/auth/password-scheme.c; RFC 2831.
    """
    name, at, realm = user.rpartition("@")
    if not at:
        name, realm = user, ""
    return md5(
        name.encode(errors="surrogateescape")
        + b":"
        + realm.encode(errors="surrogateescape")
        + b":"
        + password
    )


def _parse_digest(_payload: bytes) -> Params:
    return (("digest", 16),)


def _verify_digest(payload: bytes, password: Password, user: str) -> Judgement:
    if not user:
        return Judgement(Verdict.UNSUPPORTED, "DIGEST-MD5 hashes the user's name too, and none was given")
    return MATCH if hmac.compare_digest(digest_a1(user, password.text), payload) else MISMATCH


def _generate_digest(password: Password, user: str, _options: dict[str, int | str]) -> bytes:
    if not user:
        raise UsageError("DIGEST-MD5 hashes the user's name too: give the user.")
    return digest_a1(user, password.text)


_OTP = expression(
    rb"(?P<algorithm>[^ \t]*)[ \t](?P<step>-?[0-9]{1,30})[ \t]"
    rb"(?P<seed>[0-9A-Za-z]{0,16}) (?P<hex>[0-9A-Fa-f \t]*)"
)


def _fold16(digest: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(digest[:8], digest[8:16], strict=True))


def _fold20(digest: bytes) -> bytes:
    a, b, c, d, e = struct.unpack(">5I", digest)
    return struct.pack("<2I", a ^ c ^ e, b ^ d)


_OTP_FOLDS: dict[bytes, Callable[[bytes], bytes]] = {
    b"md4": lambda data: _fold16(md4(data)),
    b"md5": lambda data: _fold16(md5(data)),
    b"sha1": lambda data: _fold20(sha1(data)),
}


def otp_hash(algorithm: bytes, seed: bytes, password: bytes, step: int) -> bytes:
    """One-time passwords of RFC 2289, as src/lib-otp/otp-hash.c of Dovecot 2.3.19.1 computes them."""
    fold = _OTP_FOLDS[algorithm]
    digest = fold(seed + password)
    for _ in range(step):
        digest = fold(digest)
    return digest


def _parse_otp(payload: bytes) -> Params | Flaw:
    text = payload.partition(b"\0")[0]
    found = _OTP.match(text)
    if not found:
        return Flaw(
            Verdict.MALFORMED, 'an OTP is stored as "sha1 1024 seed 0123456789abcdef"; this is not', 0
        )
    algorithm, seed = found["algorithm"], found["seed"].lower()
    if algorithm not in _OTP_FOLDS:
        return Flaw(Verdict.MALFORMED, "OTP knows md4, md5 and sha1, in small letters", 0)
    step = int(found["step"])
    if not -(2**31) <= step < 2**31:
        return Flaw(Verdict.MALFORMED, "the OTP sequence number is out of range", found.start("step"))
    digits = found["hex"].replace(b" ", b"").replace(b"\t", b"")
    if len(digits) < 16:
        return Flaw(
            Verdict.MALFORMED, f"cut off: {len(digits)} of 16 hex digits", found.start("hex"), cut=True
        )
    written = b"%b %d %b %b" % (algorithm, step, seed, digits[:16])
    if written.lower() != text.lower():
        pairs = zip(written.lower(), text.lower(), strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), len(written))
        if text[at:] and not text[at:].strip():
            return Flaw(Verdict.MISMATCH, "ends in a newline", at)
        return Flaw(
            Verdict.MISMATCH,
            "Dovecot compares with its own writing of it, with single blanks and no leading zeros",
            at,
        )
    return (("algorithm", algorithm.decode()), ("step", step & 0xFFFF_FFFF), ("seed", len(seed)))


def _verify_otp(payload: bytes, password: Password, _user: str) -> Judgement:
    algorithm, number, seed, digits = payload.partition(b"\0")[0].split(b" ")
    made = otp_hash(algorithm, seed.lower(), password.text, int(number) & 0xFFFF_FFFF)
    return MATCH if hmac.compare_digest(made.hex().encode(), digits.lower()) else MISMATCH


def _generate_otp(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    step, seed = int(options.get("rounds", 1024)), secrets.token_bytes(8).hex().encode()
    if not 1 <= step < 2**20:
        raise UsageError(f"An OTP of {step} steps makes no sense: 1 to {2**20 - 1}.")
    return b"sha1 %d %b %b" % (step, seed, otp_hash(b"sha1", seed, password.text, step).hex().encode())


def _seconds_otp(params: Params) -> float:
    values = dict(params)
    return int(values["step"]) * (120e-6 if values["algorithm"] == "md4" else 1.5e-6)


def _shape_otp(params: Params) -> str:
    values = dict(params)
    return f"{values['algorithm']} {values['step']} ..."


SCHEMES = (
    *(
        Scheme(
            name=name,
            aliases=(other,),
            weak=weak,
            parse=_parse_cram,
            verify=_verify_cram,
            generate=_generate_cram,
            seconds=one_round,
            shape=shape,
            default_encoding="HEX",
            raw_length=32,
            about="as good as the password for CRAM-MD5; fast to guess",
            called=lambda _params, called=called: called,  # type: ignore[misc]
            kind="cram-md5",
            mechanisms=("CRAM-MD5",),
            families=("cram-md5",),
        )
        for name, other, weak, called in (
            ("CRAM-MD5", "HMAC-MD5", False, "a CRAM-MD5 hash"),
            ("HMAC-MD5", "CRAM-MD5", True, "an HMAC-MD5 hash"),
        )
    ),
    Scheme(
        name="DIGEST-MD5",
        parse=_parse_digest,
        verify=_verify_digest,
        generate=_generate_digest,
        seconds=one_round,
        shape=shape,
        default_encoding="HEX",
        raw_length=16,
        about="MD5 of user:realm:password; worthless when the user is renamed",
        kind="digest-md5",
        of_user=True,
        mechanisms=("DIGEST-MD5",),
    ),
    Scheme(
        name="OTP",
        parse=_parse_otp,
        verify=_verify_otp,
        generate=_generate_otp,
        seconds=_seconds_otp,
        shape=_shape_otp,
        gone=(2, 4, 5),
        kind="otp",
        called=lambda _params: "an OTP hash",
        options=("rounds",),
        about="one-time passwords (RFC 2289)",
    ),
)
