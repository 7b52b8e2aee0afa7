"""CRYPT, DES-CRYPT, SHA256-CRYPT, SHA512-CRYPT: whatever the system's crypt(3) takes.

The four differ only in what they generate: {SHA512-CRYPT} verifies a DES hash as well. Strings
with $2?$ go to BLF-CRYPT's code, all others to crypt(), whose failure ("*0") Dovecot compares
like any hash: a bad string is a mismatch and never an error.
Source: crypt_verify() in Dovecot 2.3.19.1 src/auth/password-scheme.c; libxcrypt 4.4.33 lib/crypt.c.
"""

import hmac

from mailauth.errors import UsageError
from mailauth.hashes import bcrypt, libcrypt, libpass, strength
from mailauth.hashes.argon2 import out_of_memory
from mailauth.hashes.cryptforms import FORMS, kind_of, why_not
from mailauth.hashes.hash import (
    MATCH,
    MISMATCH,
    NO_MEMORY,
    Flaw,
    Judgement,
    Memory,
    Params,
    Password,
    Scheme,
    Verdict,
)
from mailauth.hashes.libsodium import can_map
from mailauth.hashes.pbkdf2 import salt_text

# yescrypt's S-boxes: 3 of 2^8 entries of 2 words of 64 bits, and a context rounded up to 64 bytes.
_SBOXES = 3 * (1 << 8) * 2 * 8 + 64
_PAGE = 4096


def is_blowfish(payload: bytes) -> bool:
    return len(payload) > 4 and payload[:2] == b"$2" and payload[3] == 0x24


def parse(payload: bytes) -> Params | Flaw:
    if payload[:2] == b"$2" and is_blowfish(payload):
        return bcrypt.parse(payload)
    text = payload.partition(b"\0")[0] if b"\0" in payload else payload
    form = kind_of(text)
    if form is not None:
        params = form.read(text)
        if params is not None:
            return params
    return why_not(payload, text)


def verify(payload: bytes, password: Password, user: str) -> Judgement:
    if is_blowfish(payload):
        return bcrypt.verify(payload, password, user)
    text = payload.partition(b"\0")[0]
    lib = libcrypt.load()
    if lib is None:
        matched = libpass.verify(text, password)
        if matched is None:
            why = "this system has no libcrypt with crypt_rn (Debian: libcrypt1)"
            return Judgement(Verdict.UNSUPPORTED, why)
        return MATCH if matched else MISMATCH
    made = libcrypt.crypt(lib, password.text, text)
    if made is None:
        if why := unknown_here(text):
            return Judgement(Verdict.UNSUPPORTED, why)
        need = memory(payload)
        if need.blocks and not can_map(need.blocks):
            return out_of_memory(need)
        return Judgement(Verdict.MISMATCH, _crypt_failed(password))
    return MATCH if hmac.compare_digest(made, text) else MISMATCH


def unknown_here(payload: bytes) -> str:
    """Why this machine's libcrypt cannot verify what a newer one can; "" where it can, or none could."""
    form, lib = kind_of(payload), libcrypt.load()
    if form is None or not form.since or (lib and libcrypt.setting(lib, form.prefix)):
        return ""
    return f"this machine's libcrypt does not know {form.kind}; {form.since} does"


def _crypt_failed(password: Password) -> str:
    if len(password.text) >= 512:
        return "libxcrypt takes passwords of up to 511 bytes"
    return "crypt(3) does not take this string here"


def memory(payload: bytes) -> Memory:
    params = parse(payload)
    if isinstance(params, Flaw):
        return NO_MEMORY
    values = dict(params)
    if "N" not in values:
        return NO_MEMORY
    yescrypt = values["kind"] != "$7$"
    parts = scrypt_parts(int(values["N"]), int(values["r"]), int(values["p"]), yescrypt=yescrypt)
    return Memory(sum(-(-part // _PAGE) * _PAGE for part in parts))  # each is mapped, in whole pages


def scrypt_parts(n: int, r: int, p: int, *, yescrypt: bool) -> tuple[int, int]:
    """The table and the scratch area of $7$, and of $y$ and $gy$, which have S-boxes besides, in bytes.

    Source: libxcrypt 4.4.33 lib/alg-yescrypt-opt.c (yescrypt_kdf_body, alloc_region); measured.
    """
    return 128 * r * n, 128 * r * p + 256 * r + (_SBOXES * p if yescrypt else 0)


def seconds(params: Params) -> float:
    values = dict(params)
    form = next((form for form in FORMS if form.kind == values["kind"]), None)
    return form.seconds(values) if form else bcrypt.seconds(params)


def shape(params: Params) -> str:
    values = dict(params)
    form = next((form for form in FORMS if form.kind == values["kind"]), None)
    return form.shape(values) if form else bcrypt.shape(params)


def _made(password: Password, setting: bytes | None, what: str) -> bytes:
    lib = libcrypt.load()
    made = libcrypt.crypt(lib, password.text, setting) if lib and setting else None
    if made is None:
        raise UsageError(f"This system's libcrypt makes no {what} of this password; take another scheme.")
    return made


def _rounds(options: dict[str, int | str], default: int) -> int:
    rounds = int(options.get("rounds", default))
    if not 1000 <= rounds <= 999_999_999:
        raise UsageError(f"SHA-crypt takes 1000 to 999999999 rounds, not {rounds}.")
    return rounds


def generate_sha512(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    return _made(password, b"$6$rounds=%d$%b" % (_rounds(options, 656_000), salt_text(16)), "$6$")


def generate_sha256(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    return _made(password, b"$5$rounds=%d$%b" % (_rounds(options, 535_000), salt_text(16)), "$5$")


def generate_des(password: Password, _user: str, _options: dict[str, int | str]) -> bytes:
    return _made(password, salt_text(2), "DES hash")


def generate_crypt(password: Password, user: str, options: dict[str, int | str]) -> bytes:
    """Bcrypt, as Dovecot; or ``kind``: a prefix that crypt_gensalt(3) knows, such as "$y$"."""
    kind = str(options.get("kind", "$2y$"))
    if kind.startswith("$2"):
        return bcrypt.generate(password, user, options)
    lib = libcrypt.load()
    setting = libcrypt.setting(lib, kind.encode(), int(options.get("rounds", 0))) if lib else None
    return _made(password, setting, kind)


_MADE = {"CRYPT": "2y", "DES-CRYPT": "DES"}  # the kind of a new hash


def reads(name: str, params: Params) -> int | None:
    """Bytes of a password that count; without parameters, those of a new hash.

    Source: crypt(5); BF_set_key() in Dovecot 2.3.19.1 and 2.4.1 src/(auth|lib-auth)/crypt-blowfish.c.
    """
    values = dict(params)
    kind = values.get("kind", "" if params else _MADE.get(name, ""))
    if str(kind) in ("2a", "2b", "2x", "2y"):
        return bcrypt.LONGEST
    return 8 * int(values.get("blocks", 1)) if kind == "DES" else None


def called(name: str, params: Params) -> str:
    kind = str(dict(params).get("kind", ""))
    if kind[:1] == "2":
        return bcrypt.CALLED
    return "a DES hash" if kind == "DES" or name == "DES-CRYPT" else f"a {name} hash"


SCHEMES = tuple(
    Scheme(
        name=name,
        weak=weak,
        parse=parse,
        verify=verify,
        generate=generate,
        memory=memory,
        seconds=seconds,
        shape=shape,
        options=options,
        about=about,
        library="libcrypt",
        called=lambda params, name=name: called(name, params),  # type: ignore[misc]
        reads=lambda params, name=name: reads(name, params),  # type: ignore[misc]
        strength=strength.crypt,
        families=("crypt",),
    )
    for name, weak, generate, options, about in (
        (
            "CRYPT",
            False,
            generate_crypt,
            ("cost", "kind", "rounds"),
            "whatever crypt(3) takes, bcrypt and yescrypt among it",
        ),
        ("DES-CRYPT", True, generate_des, (), "the first 8 characters by DES, of 1979"),
        ("SHA256-CRYPT", False, generate_sha256, ("rounds",), "SHA-256-crypt ($5$)"),
        ("SHA512-CRYPT", False, generate_sha512, ("rounds",), "SHA-512-crypt ($6$)"),
    )
)
