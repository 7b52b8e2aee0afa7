"""The parts: digests, secrets kept, versions, foreign readers that the vectors have no example of."""

import base64
import hashlib
import hmac
import json
import pickle

import pytest
from passlib.hash import nthash

from mailauth.errors import UsageError
from mailauth.hashes import (
    SCHEMES,
    Flaw,
    Hash,
    Judgement,
    Password,
    Verdict,
    generate,
    identify,
    parse,
    shown,
    verify,
)
from mailauth.hashes.digests import md4, md5_state
from mailauth.hashes.encoding import base64_decode, base64_decode_leniently
from mailauth.hashes.explain import explain
from mailauth.hashes.foreign import convert
from mailauth.hashes.making import Order, fit, make
from mailauth.hashes.strength import PROFILES, Level

SECRET = Password.of("s3cret")
CANARY = "cAnArY-pAsSwOrD-7391"


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_is_that_of_rfc_1320(data: bytes, digest: str) -> None:
    assert digest == md4(data).hex()


def test_the_state_of_md5_is_the_digest_of_one_block_without_its_end() -> None:
    """RFC 1321: the digest of 55 bytes or fewer is the state after the one padded block."""
    padded = b"abc" + b"\x80" + bytes(52) + (24).to_bytes(8, "little")
    assert hashlib.md5(b"abc", usedforsecurity=False).digest() == md5_state(padded)


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (b"", b""),
        (b"YWJj", b"abc"),
        (b" Y W\nJ\tj\r\n", b"abc"),
        (b"YQ==", b"a"),
        (b"YQ= =", b"a"),
        (b"YQ==\n", b"a"),
        (b"YR==", b"a"),
        (b"YQ", None),
        (b"YQ=", None),
        (b"YWJj=", None),
        (b"YWJj====", None),
        (b"Y===", None),
        (b"YQ==YQ==", None),
        (b"Y-_j", None),
        (b"YWJj\x0b", None),
    ],
)
def test_base64_is_read_as_dovecot_reads_it(text: bytes, raw: bytes | None) -> None:
    assert raw == base64_decode(text)


def test_the_salt_of_scram_is_read_as_far_as_it_goes() -> None:
    assert base64_decode_leniently(b"YWJjZA") == b"abcd"
    assert base64_decode_leniently(b"YWJj!ZA==") == b"abc"
    assert base64_decode_leniently(b"YWJjZ") == b"abc"


def test_no_repr_and_no_error_holds_a_password() -> None:
    password = Password.of(CANARY)
    said = [repr(password), str(password), f"{password}"]
    for scheme in SCHEMES:
        options = {name: 4096 for name in ("rounds",) if name in scheme.options}
        options |= {"cost": 4} if "cost" in scheme.options and scheme.name != "CRYPT" else {}
        options |= {"memory": 64} if "memory" in scheme.options else {}
        if scheme.name == "CRYPT":
            options = {"cost": 4}
        stored = generate(scheme.name, password, user="u", **options)
        parsed = parse(stored)
        said += [repr(parsed), shown(stored), repr(explain(stored)), repr(verify(stored, password, user="u"))]
    said += [repr(convert(CANARY)), repr(parse(CANARY)), shown(CANARY), repr(explain("{" + CANARY + "}x"))]
    assert not [text for text in said if CANARY in text]


def test_a_hash_can_go_to_another_process_only_with_its_scheme_found_again() -> None:
    """Schemes hold closures: what crosses to a worker is the stored string."""
    stored = generate("SSHA256", SECRET)
    assert pickle.loads(pickle.dumps(stored)) == stored  # noqa: S301 - our own


@pytest.mark.parametrize(
    ("stored", "dovecot", "allow", "verdict"),
    [
        ("{MD5-CRYPT}$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", (2, 3, 19, 1), False, None),
        ("{MD5-CRYPT}$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", (2, 4), False, Verdict.WEAK),
        ("{MD5-CRYPT}$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", (2, 4), True, None),
        ("{CRYPT}$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", (2, 4), False, Verdict.WEAK),
        ("{SHA512-CRYPT}abhWCwoTZY2c6", (2, 4), False, Verdict.WEAK),
        ("{CRYPT}*", (2, 4), False, Verdict.MISMATCH),
        ("{CRYPT}!!", (2, 4), False, Verdict.WEAK),
        ("{LDAP-MD5}Xr4ilOzQ", (2, 4), False, Verdict.MALFORMED),
        ("{OTP}sha1 9 abc 4485f685b3d68dc7", (2, 4, 4), False, None),
        ("{OTP}sha1 9 abc 4485f685b3d68dc7", (2, 4, 5), False, Verdict.UNSUPPORTED),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", (2, 4, 5), False, None),
    ],
)
def test_versions_differ(stored: str, dovecot: tuple[int, ...], allow: bool, verdict: Verdict | None) -> None:
    parsed = parse(stored, dovecot=dovecot, allow_weak=allow)
    assert verdict == (parsed.verdict if isinstance(parsed, Flaw) else None)


def test_a_string_without_scheme_is_what_the_default_scheme_says() -> None:
    stored = "$2y$04$cJt40Fds.Oae7MlRH79uluoaIJOpx8JvQvOrSJTM2a0djbKjOItx2"
    assert verify(stored, SECRET).verdict is Verdict.MATCH
    assert verify(stored, SECRET, default_scheme=None).verdict is Verdict.MALFORMED
    assert verify(stored, Password.of(stored), default_scheme="PLAIN").verdict is Verdict.MATCH
    assert explain(stored).defaults[0].scheme == "CRYPT"


def test_any_spelling_of_a_name_is_found() -> None:
    for name in ("{Ssha512.bAsE64}", "{ssha512.b64}", "{SSHA512.HEX}"):
        found = identify(f"{name}x")
        assert found is not None
        assert found.name == "SSHA512"
    assert identify("{SSHA512.}x") is None
    assert identify("{\u017fHA}x") is None  # long s: upper() makes it S, strcasecmp() does not


@pytest.mark.parametrize("stored", ["{PLAIN-TRUNC}-", "{PLAIN-TRUNC}0-", f"{{PBKDF2}}$1$a$0${'0' * 40}"])
def test_a_string_that_takes_any_password_raises_an_alarm(stored: str) -> None:
    assert verify(stored, Password.of("anything")).verdict is Verdict.MATCH
    assert "every password matches" in explain(stored).alarms[0]


def test_a_width_of_a_column_is_suspected() -> None:
    whole = generate("SHA512-CRYPT", SECRET, rounds=5001)
    flaw = parse(whole[:64])
    assert isinstance(flaw, Flaw)
    assert "VARCHAR(64)" in flaw.reason


def test_owasp_is_the_measure() -> None:
    levels = {
        "{BLF-CRYPT}$2y$05$iTfRH9.V15JirvKzOYF5Auljt7oWVdt39RMV1JN65arNrPFk1WPLC": Level.BELOW,
        generate("ARGON2ID", SECRET): Level.GOOD,
        generate("ARGON2I", SECRET): Level.GOOD,
        generate("ARGON2ID", SECRET, memory=7168, time=4): Level.BELOW,
        generate("BLF-CRYPT", SECRET, cost=10): Level.GOOD,
        generate("SSHA512", SECRET): Level.POOR,
        generate("PLAIN", SECRET): Level.NONE,
    }
    for stored, level in levels.items():
        strength = explain(stored).strength
        assert strength is not None
        assert strength.level is level


def test_what_fits_is_what_can_be_verified() -> None:
    for mib in (48, 64, 128, 256, 512, 1024):
        params = fit(mib * 2**20)
        made = make(Order("ARGON2ID", tuple(params.items()), limit=mib * 2**20), SECRET)
        assert isinstance(made, str), mib
    with pytest.raises(UsageError):
        fit(32 * 2**20)


def test_what_the_target_cannot_verify_is_not_made() -> None:
    big = make(Order("ARGON2ID", (("memory", 262144),)), SECRET)
    assert isinstance(big, Judgement)
    assert big.verdict is Verdict.OUT_OF_MEMORY
    weak = make(Order("MD5-CRYPT", dovecot=(2, 4)), SECRET)
    assert isinstance(weak, Judgement)
    assert weak.verdict is Verdict.WEAK


def test_every_profile_parses() -> None:
    for _, params in PROFILES.values():
        text = f"$argon2id$v=19$m={params['memory']},t={params['time']},p={params['lanes']}"
        stored = f"{{ARGON2ID}}{text}$1nVZjAvCYrkjThR+x5rgMw$MqA4NI3mcy37IHZJYc5kTm2afhHX1GO34jNkTk6UQJ4"
        assert isinstance(parse(stored), Hash)


def test_wrong_parameters_are_named() -> None:
    for scheme, params in (
        ("BLF-CRYPT", {"cost": 3}),
        ("SSHA", {"cost": 9}),
        ("NOPE", {}),
        ("OTP", {"rounds": 0}),
    ):
        with pytest.raises(UsageError):
            generate(scheme, SECRET, user="", **params)
    with pytest.raises(UsageError):
        generate("SSHA", Password(b"a\0b"))


def pbkdf2(digest: str, rounds: int, salt: bytes, size: int) -> bytes:
    return hashlib.pbkdf2_hmac(digest, b"s3cret", salt, rounds, size)


def scram_keys(digest: str, name: str, salt: bytes) -> str:
    """RFC 5803."""
    salted = hashlib.pbkdf2_hmac(digest, b"s3cret", salt, 4096)
    client, server = (hmac.digest(salted, words, digest) for words in (b"Client Key", b"Server Key"))
    fields = (base64.b64encode(one).decode() for one in (salt, hashlib.new(digest, client).digest(), server))
    return "{}$4096:{}${}:{}".format(name, *fields)


def foreign_examples() -> list[tuple[str, str | None]]:
    """Made here by each format's definition; None where there is no Dovecot form."""

    def b64(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    def ab64(raw: bytes) -> str:
        return b64(raw).rstrip("=").replace("+", ".")

    raw = bytes(range(240, 256))
    keycloak = {
        "secretData": json.dumps({"value": b64(pbkdf2("sha256", 27500, raw, 64)), "salt": b64(raw)}),
        "credentialData": json.dumps({"hashIterations": 27500, "algorithm": "pbkdf2-sha256"}),
    }
    header = b"\1" + (1).to_bytes(4, "big") + (10000).to_bytes(4, "big") + (16).to_bytes(4, "big")
    dlitz = b"$p5k2$1388$saltsalt"
    md5 = hashlib.md5(b"s3cret", usedforsecurity=False).hexdigest()
    return [
        (json.dumps(keycloak), "SCRAM-SHA-256"),
        (b64(header + raw + pbkdf2("sha256", 10000, raw, 32)), "SCRAM-SHA-256"),
        ("{PKCS5S2}" + b64(raw + pbkdf2("sha1", 10000, raw, 32)), "SCRAM-SHA-1"),
        ("{pbkdf2@SpringSecurity_v5_8}" + (raw + pbkdf2("sha256", 310000, raw, 32)).hex(), "SCRAM-SHA-256"),
        ("{pbkdf2}" + (raw[:8] + pbkdf2("sha1", 185000, raw[:8], 32)).hex(), "SCRAM-SHA-1"),
        (f"pbkdf2_sha256$10000$salt${b64(pbkdf2('sha256', 10000, b'salt', 32))}", "SCRAM-SHA-256"),
        (f"pbkdf2_sha1$10000$salt${b64(pbkdf2('sha1', 10000, b'salt', 20))}", "PBKDF2"),
        (f"$pbkdf2$10000${ab64(raw)}${ab64(pbkdf2('sha1', 10000, raw, 20))}", "SCRAM-SHA-1"),
        (f"{{PBKDF2-SHA256}}10000${ab64(raw)}${ab64(pbkdf2('sha256', 10000, raw, 32))}", "SCRAM-SHA-256"),
        (f"{dlitz.decode()}${ab64(pbkdf2('sha1', 5000, dlitz, 24))}", "SCRAM-SHA-1"),
        (
            "$pbkdf2-sha256$i=10000,l=32$"
            + "$".join(b64(one).rstrip("=") for one in (raw, pbkdf2("sha256", 10000, raw, 32))),
            "SCRAM-SHA-256",
        ),
        (f"{{PBKDF2-SHA1}}10000${b64(raw)}${b64(pbkdf2('sha1', 10000, raw, 20))}", "SCRAM-SHA-1"),
        (
            "{PBKDF2_SHA256}"
            + b64((8192).to_bytes(4, "big") + raw * 4 + pbkdf2("sha256", 8192, raw * 4, 256)),
            "SCRAM-SHA-256",
        ),
        ("{PBKDF2_SHA256}" + b64(raw), None),
        (scram_keys("sha1", "SCRAM-SHA-1", raw), "SCRAM-SHA-1"),
        (scram_keys("sha256", "SCRAM-SHA-256", raw), "SCRAM-SHA-256"),
        (f"$md5salted-suffix$salt${b64(hashlib.md5(b's3cretsalt', usedforsecurity=False).digest())}", "SMD5"),
        (f"$md5salted-prefix$salt${b64(raw)}", None),
        ("sambaNTPassword: " + nthash.hash("s3cret").upper(), "CRYPT"),
        ("ipaNTHash: " + b64(bytes.fromhex(nthash.hash("s3cret"))), "CRYPT"),
        (f"md5{md5}", None),
        (f"pbkdf2_sha256$1000$salt${b64(pbkdf2('sha256', 1000, b'salt', 32))}", None),
        (f"pbkdf2_sha512$9000$salt${b64(pbkdf2('sha512', 9000, b'salt', 64))}", None),
        (md5, "PLAIN-MD5"),
        (f"{{MD5RAW}}{md5}", "PLAIN-MD5"),
        (f"md5$${md5}", "PLAIN-MD5"),
        (hashlib.sha256(b"s3cret").hexdigest(), "SHA256"),
        ("md5$salt$" + hashlib.md5(b"salts3cret", usedforsecurity=False).hexdigest(), None),
        ("*B865CAE8F340F6CE1485A06F4492BB49718DF1EC", None),
        ("$apr1$69Michhv$kz0xtzggToUR2bA8A.n4Z.", None),
        ("{noop}s3cret", "PLAIN"),
        ("1|$2y$10$AmiWa.SaSq0J9G0dvDI89.W.zylVfZ60NihGqzrmQsBA/94ZRIjQC", "BLF-CRYPT"),
        ("aw3I7FQrrxsqw", "DES-CRYPT"),
        ("no hash at all", None),
    ]


@pytest.mark.parametrize(("stored", "scheme"), foreign_examples())
def test_formats_made_by_their_definition_are_converted(stored: str, scheme: str | None) -> None:
    found = convert(stored, password=SECRET)
    if scheme is None:
        assert found.dovecot is None
        assert found.reason
        return
    assert found.dovecot is not None, found.reason
    parsed = parse(found.dovecot, default_scheme=None)
    assert isinstance(parsed, Hash)
    assert parsed.scheme.name == scheme
    assert verify(found.dovecot, SECRET).verdict is Verdict.MATCH


def test_postgresqls_md5_has_the_role_for_its_salt() -> None:
    stored = "md5" + hashlib.md5(b"s3cretalice", usedforsecurity=False).hexdigest()
    found = convert(stored, password=SECRET, user="alice")
    assert found.dovecot is not None
    assert found.dovecot.startswith(b"{SMD5}")
    assert convert(stored, password=SECRET, user="bob").dovecot is None
    assert "--user" in convert(stored).reason
    assert (
        convert(stored, user="alice", sure=True).dovecot is None
    )  # whether the user is the role is not known


def test_a_given_password_exposes_a_pepper() -> None:
    peppered = "$2a$10$rT87lxWDSnc4vdMY8QwA.umTsCuO5uZv6YtuBTZhS8zdPDgdB7caS"
    found = convert(peppered, password=SECRET)
    assert found.dovecot is None
    assert "does not match" in found.reason
