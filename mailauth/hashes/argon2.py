"""ARGON2I, ARGON2ID and (2.4) ARGON2: what libsodium takes, judged as libsodium does.

One name is as good as the other: the string says which Argon2 it is. What libsodium refuses,
Dovecot calls a mismatch: it never tells a bad string from a wrong password.
Source: decode_string() and validate_inputs() in libsodium 1.0.18 crypto_pwhash/argon2, and its
sodium_base642bin(); measured on 557 strings against both Dovecots.
"""

import hmac
import re
import secrets

from mailauth.errors import UsageError
from mailauth.expressions import expression
from mailauth.hashes import libsodium, strength
from mailauth.hashes.encoding import BASE64, base64_decode_leniently, base64_encode
from mailauth.hashes.hash import MATCH, MISMATCH, Flaw, Judgement, Memory, Params, Password, Scheme, Verdict
from mailauth.hashes.libraries import argon2

_WELL_FORMED = expression(
    rb"\$argon2(id?)\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,9})"
    rb"\$([A-Za-z0-9+/]*)\$([A-Za-z0-9+/]*)"
)
_TYPES = {b"i": "argon2i", b"id": "argon2id"}
_U32 = 0xFFFF_FFFF
_MAX_LANES = 0xFF_FFFF
_MAPPED_BY_MALLOC = 128 * 1024  # glibc's M_MMAP_THRESHOLD
_MALLOC_HEADER = 16
_PAGE = 4096
_LOOSE_ENDS = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}  # unused bits are zero
_ANY_END = frozenset(BASE64)

_seen: dict[tuple[bytes, int, int], tuple[Params, frozenset[int], frozenset[int]]] = {}
"""Parameters already understood: a store has thousands of hashes and two or three sets of them.

By the text before the salt and the lengths of salt and tag; with the characters that these may
end in. Holds no salt and no digest.
"""
_MOST_SEEN = 4096


def _bytes_in(text: bytes) -> int | None:
    """How many bytes unpadded base64 holds; None where libsodium refuses it."""
    rest = len(text) & 3
    if rest == 1 or (rest and text[-1] not in _LOOSE_ENDS[rest]):
        return None
    return len(text) * 3 // 4


def parse(payload: bytes) -> Params | Flaw:
    if b"\0" in payload:
        payload = payload.partition(b"\0")[0]
    parts = payload.rsplit(b"$", 2)
    if len(parts) == 3:
        front, salt_text, tag_text = parts
        known = _seen.get((front, len(salt_text), len(tag_text)))
        if (
            known
            and salt_text[-1] in known[1]
            and tag_text[-1] in known[2]
            and not (salt_text + tag_text).translate(None, BASE64)
        ):
            return known[0]
    params = _read(payload)
    if len(parts) == 3 and not isinstance(params, Flaw):
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        salt_ends, tag_ends = (_LOOSE_ENDS.get(len(text) & 3, _ANY_END) for text in parts[1:])
        _seen[parts[0], len(parts[1]), len(parts[2])] = (params, salt_ends, tag_ends)
    return params


def _read(payload: bytes) -> Params | Flaw:
    found = _WELL_FORMED.fullmatch(payload)
    if found is None:
        return _why_not(payload)
    kind, m_text, t_text, p_text, salt_text, tag_text = found.groups()
    m, t, p = int(m_text), int(t_text), int(p_text)
    salt, tag = _bytes_in(salt_text), _bytes_in(tag_text)
    if (
        salt is None
        or tag is None
        or salt < 8
        or tag < 16
        or m < 8 * p
        or m > _U32
        or t > _U32
        or p > _MAX_LANES
    ):
        return _why_not(payload)
    return (("type", _TYPES[kind]), ("m", m), ("t", t), ("p", p), ("salt", salt), ("tag", tag))


def _no(reason: str, position: int, *, cut: bool = False) -> Flaw:
    return Flaw(Verdict.MISMATCH, reason, position, cut)


_ORDER = tuple(
    (name, meaning, expression(re.escape(lead) + name + b"=([0-9]*)"))
    for lead, name, meaning in (
        (b"$", b"v", "version"),
        (b"$", b"m", "memory"),
        (b",", b"t", "time"),
        (b",", b"p", "lanes"),
    )
)
_RUN = expression(rb"[A-Za-z0-9+/]*")


def _why_not(text: bytes) -> Params | Flaw:  # noqa: C901 - libsodium's decoder, step by step
    """Walk the string as libsodium does and stop where it stops."""
    prefix = re.match(rb"\$argon2(id|i)\$", text)
    if not prefix:
        return _no_prefix(text)
    at = prefix.end() - 1
    values: dict[bytes, int] = {}
    for name, meaning, pattern in _ORDER:
        field = pattern.match(text, at)
        if not field:
            return _no_field(text, at, name.decode(), meaning)
        digits = field[1]
        if not digits or len(digits) > 10 or (digits[:1] == b"0" and len(digits) > 1) or int(digits) > _U32:
            why = "has a leading zero" if digits[:1] == b"0" else "is no 32-bit number"
            return _no(f"{name.decode()}= {why if digits else 'has no number'}", field.start(1))
        values[name] = int(digits)
        if name == b"v" and values[name] != 19:
            return _no(f"v={values[name]}: libsodium takes only v=19 (Argon2 1.3)", field.start(1))
        at = field.end()
    sizes: list[int] = []
    places: list[int] = []
    for part in ("salt", "tag"):
        if text[at : at + 1] != b"$":
            return _no_dollar(text, at, part)
        run = _RUN.match(text, at + 1)
        assert run is not None  # it matches the empty string
        size = _bytes_in(run[0])
        if size is None:
            why = (
                f"the {part} has a number of characters that no base64 has: cut off?"
                if len(run[0]) & 3 == 1
                else f"the last character of the {part} has bits set that do not count: cut off, or mistyped?"
            )
            return _no(why, max(run.end() - 1, 0), cut=True)
        sizes.append(size)
        places.append(run.start())
        at = run.end()
    refused = _out_of_range(values, sizes, places, text)
    if refused:
        return refused
    if at < len(text):
        return _trailing(text, at)
    return _no("libsodium does not take it", 0)


def _no_prefix(text: bytes) -> Flaw:
    if text.startswith(b"$argon2d$"):
        return _no("argon2d: libsodium has only argon2i and argon2id", 7)
    at = text.find(b"$argon2")
    if at > 0:
        what = "blanks or line ends" if not text[:at].strip() else f"{at} characters"
        return _no(f"{what} before $argon2", 0)
    if not text:
        return _no("nothing follows the scheme", 0)
    return _no("does not begin with $argon2i$ or $argon2id$ (a shell may have eaten $...)", 0)


def _no_field(text: bytes, at: int, name: str, meaning: str) -> Flaw:
    if name == "v":
        return _no("no v=: that means v=16, and libsodium takes only v=19", at + 1)
    if at >= len(text):
        return _no(f"cut off before {name}= ({meaning}): {len(text)} characters are there", at, cut=True)
    return _no(f"{name}= ({meaning}) must be here: libsodium wants the order m, t, p", at + 1)


def _no_dollar(text: bytes, at: int, part: str) -> Flaw:
    if at >= len(text):
        return _no(f"cut off before the {part}: {len(text)} characters are there", at, cut=True)
    if text[at : at + 1] == b"=":
        return _no("base64 padding (=): libsodium wants none", at)
    if text[at : at + 1] == b",":
        return _no("more parameters after p= (keyid= or data=): libsodium takes none", at)
    return _no(f"a character that ends no number and begins no {part}", at)


def _trailing(text: bytes, at: int) -> Flaw:
    rest = text[at:]
    if not rest.strip(b"="):
        return _no("base64 padding (=): libsodium wants none", at)
    if not rest.strip(b"\r\n"):
        return _no("ends in a newline", at)
    if not rest.strip():
        return _no("ends in a blank or tab", at)
    if rest == b"$":
        return _no("ends in a $ too many", at)
    return _no("something follows the hash", at)


def _out_of_range(values: dict[bytes, int], sizes: list[int], places: list[int], text: bytes) -> Flaw | None:
    m, t, p = values[b"m"], values[b"t"], values[b"p"]
    salt, tag = sizes
    if tag < 16:
        hint = "cut off? " if tag else ""
        return _no(f"a tag of {tag} bytes ({hint}libsodium wants 16 or more)", places[1], cut=bool(tag))
    if salt < 8:
        return _no(f"a salt of {salt} bytes (libsodium wants 8 or more)", places[0])
    where = {name: text.find(name + b"=") + 2 for name in (b"m", b"t", b"p")}
    if m < 8 or m < 8 * p:
        return _no(f"m={m} is less than 8 KiB a lane (p={p} wants m={8 * p} or more)", where[b"m"])
    if t < 1:
        return _no("t=0: at least one pass is wanted", where[b"t"])
    if not 1 <= p <= _MAX_LANES:
        return _no(f"p={p}: libsodium takes 1 to {_MAX_LANES}", where[b"p"])
    return None


def memory(payload: bytes) -> Memory:
    """Blocks and index of libsodium's argon2_initialize(), to the page.

    Source: argon2-core.c; fits 1.0.18 on 2.3.19.1 and 2.4.1 exactly (facts: schemes, table F).
    """
    params = parse(payload)
    if isinstance(params, Flaw):
        return Memory()
    values = dict(params)
    return footprint(int(values["m"]), int(values["p"]))


def footprint(m: int, p: int) -> Memory:
    """What ``m`` KiB and ``p`` lanes come to."""
    segment = max(m, 8 * p) // (4 * p)
    index = 8 * segment
    mapped = -(-(index + _MALLOC_HEADER) // _PAGE) * _PAGE if index >= _MAPPED_BY_MALLOC else 0
    return Memory(segment * 4 * p * 1024, mapped)


def seconds(params: Params) -> float:
    values = dict(params)
    return 1e-4 + int(values["m"]) * int(values["t"]) * 0.6e-6


def shape(params: Params) -> str:
    values = dict(params)
    return f"${values['type']}$v=19$m={values['m']},t={values['t']},p={values['p']}$..."


def verify(payload: bytes, password: Password, _user: str) -> Judgement:
    encoded = payload.partition(b"\0")[0]
    lib = libsodium.load()
    if lib is None:
        return _verify_without_libsodium(encoded, password)
    if libsodium.str_verify(lib, encoded, password.text) == 0:
        return MATCH
    need = memory(payload)
    return MISMATCH if libsodium.can_map(need.blocks, need.index) else out_of_memory(need)


def out_of_memory(need: Memory) -> Judgement:
    return Judgement(
        Verdict.OUT_OF_MEMORY,
        f"verifying takes {need.total / 2**20:.0f} MiB and that much cannot be had;"
        " Dovecot logs a password mismatch",
    )


def _verify_without_libsodium(encoded: bytes, password: Password) -> Judgement:
    """The same by argon2-cffi: its core, with one thread whatever the lanes, as libsodium does."""
    params = parse(encoded)
    assert not isinstance(params, Flaw), "verify() is called with payloads that parse"
    values = dict(params)
    salt_text, tag_text = encoded.rsplit(b"$", 2)[1:]
    salt, tag = base64_decode_leniently(salt_text), base64_decode_leniently(tag_text)
    ffi = argon2.low_level.ffi
    given = password.text
    out = ffi.new("uint8_t[]", len(tag))
    given_c, salt_c = ffi.new("uint8_t[]", given), ffi.new("uint8_t[]", salt)
    context = ffi.new(
        "argon2_context *",
        {
            "version": 19,
            "out": out,
            "outlen": len(tag),
            "pwd": given_c,
            "pwdlen": len(given),
            "salt": salt_c,
            "saltlen": len(salt),
            "secret": ffi.NULL,
            "secretlen": 0,
            "ad": ffi.NULL,
            "adlen": 0,
            "t_cost": values["t"],
            "m_cost": values["m"],
            "lanes": values["p"],
            "threads": 1,
            "allocate_cbk": ffi.NULL,
            "free_cbk": ffi.NULL,
            "flags": 0,
        },
    )
    kind = argon2.low_level.Type.ID if values["type"] == "argon2id" else argon2.low_level.Type.I
    code = argon2.low_level.core(context, kind.value)
    if code == -22:  # ARGON2_MEMORY_ALLOCATION_ERROR
        return out_of_memory(memory(encoded))
    if code != 0:
        return Judgement(Verdict.MISMATCH, argon2.low_level.error_to_str(code))
    return MATCH if hmac.compare_digest(bytes(ffi.buffer(out)), tag) else MISMATCH


def generate(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    """By argon2-cffi, in libsodium's own format: v=19, 16 bytes of salt, 32 of tag."""
    m, t, p = (
        int(options.get(name, default)) for name, default in (("memory", 19456), ("time", 2), ("lanes", 1))
    )
    if m < 8 * p or m > _U32 or not 1 <= t <= _U32 or not 1 <= p <= _MAX_LANES:
        raise UsageError(
            f"Argon2 takes no memory={m} KiB, time={t}, lanes={p}; memory must be 8 KiB a lane or more."
        )
    kind = argon2.low_level.Type.I if options.get("type") == "argon2i" else argon2.low_level.Type.ID
    salt = secrets.token_bytes(16)
    try:
        tag = argon2.low_level.hash_secret_raw(password.text, salt, t, m, p, 32, kind)
    except argon2.exceptions.HashingError as error:
        raise UsageError(f"Argon2 with memory={m} KiB failed: {error}; ask for less memory.") from None
    salt_text, tag_text = (base64_encode(part).rstrip(b"=") for part in (salt, tag))
    name = b"argon2i" if kind is argon2.low_level.Type.I else b"argon2id"
    return b"$%b$v=19$m=%d,t=%d,p=%d$%b$%b" % (name, m, t, p, salt_text, tag_text)


def _generate_i(password: Password, user: str, options: dict[str, int | str]) -> bytes:
    """OWASP names no row for Argon2i that has t < 3: three passes is the least that resists."""
    return generate(password, user, {"memory": 12288, "time": 3, **options, "type": "argon2i"})


SCHEMES = tuple(
    Scheme(
        name=name,
        aliases=aliases,
        parse=parse,
        verify=verify,
        generate=_generate_i if name == "ARGON2I" else generate,
        memory=memory,
        seconds=seconds,
        shape=shape,
        since=since,
        options=("memory", "time", "lanes"),
        about=about,
        called=lambda _params, called=called: called,  # type: ignore[misc]
        library="libsodium",
        strength=strength.argon2,
        families=("argon2",),
    )
    for name, aliases, since, called, about in (
        (
            "ARGON2I",
            (),
            (),
            "an Argon2i hash",
            "Argon2i; the string decides, an argon2id one verifies as well",
        ),
        ("ARGON2ID", ("ARGON2",), (), "an Argon2id hash", "Argon2id, today's first choice"),
        ("ARGON2", ("ARGON2ID",), (2, 4), "an Argon2 hash", "ARGON2ID under another name"),
    )
)
