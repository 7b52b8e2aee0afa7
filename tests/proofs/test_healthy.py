"""Odd setups that work: no finding, and nothing undecided.  A false alarm is a bug equal to a miss.

One lab has many users, each with another odd string; and a lab for each odd setting.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from argon2.low_level import Type, hash_secret

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.stores import share
from tests.proofs.story import SECRET, MiB, Proof, argon2id, of_the_test, record

Make = Callable[..., Proof]

GOOD = argon2id(memory=1 * MiB)
ARGON2I = hash_secret(SECRET, b"0123456789abcdef", 3, 1024, 1, 32, Type.I).decode()
UMLAUTS = "pässwörd €𝄞".encode()
LONG = b"0123456789abcde" * 17  # 255 bytes


def made(scheme: str, password: bytes = SECRET, **params: Any) -> str:
    return generate(scheme, Password(password), **params)


def bare(stored: str) -> str:
    return stored.partition("}")[2]


def bcrypt(kind: str, scheme: str = "BLF-CRYPT") -> str:
    return f"{{{scheme}}}" + bare(made("BLF-CRYPT", cost=5)).replace("$2y$", kind)


def argon2(**odd: int) -> str:
    salt, tag, lanes = odd.get("salt", 16), odd.get("tag", 32), odd.get("lanes", 1)
    raw = bytes(range(65, 65 + salt))
    return "{ARGON2ID}" + hash_secret(SECRET, raw, 1, 1024, lanes, tag, Type.ID).decode()


SSHA = made("SSHA", salt=4)
# Made once: every process that collects these tests would spend a third of a second on them.
BCRYPT_12 = "{BLF-CRYPT}$2y$12$wKLcFv9JE4gtaUJ210pNsOZlig1rmT7tHMqGmEOHbag3F13VC1D5S"
INTERACTIVE = (
    "{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$iHhpwqfzhuTYpCKRfx4XKg$"
    "h6fdod4xzAX1thRDaVyOS2Sz0MrbXukWhDK/ZcrycQY"
)

ROWS: Mapping[str, str] = {
    "{ARGON2I} on an id hash": "{ARGON2I}" + bare(GOOD),
    "{ARGON2ID} on an i hash": "{ARGON2ID}" + ARGON2I,
    "{ARGON2I}": "{ARGON2I}" + ARGON2I,
    "p=2": argon2(lanes=2),
    "p=4": argon2(lanes=4),
    "a salt of 8 bytes": argon2(salt=8),
    "a salt of 64 bytes": argon2(salt=64),
    "a tag of 16 bytes": argon2(tag=16),
    "a tag of 64 bytes": argon2(tag=64),
    "libsodium's interactive": INTERACTIVE,
    "lower-case scheme": GOOD.replace("ARGON2ID", "argon2id"),
    "mixed-case scheme": GOOD.replace("ARGON2ID", "Argon2Id"),
    "$2a$": bcrypt("$2a$"),
    "$2b$": bcrypt("$2b$"),
    "$2x$": bcrypt("$2x$"),
    "$2y$": bcrypt("$2y$"),
    "{CRYPT}$2a$": bcrypt("$2a$", "CRYPT"),
    "{CRYPT}$2b$": bcrypt("$2b$", "CRYPT"),
    "{CRYPT}$2x$": bcrypt("$2x$", "CRYPT"),
    "{CRYPT}$2y$": bcrypt("$2y$", "CRYPT"),
    "{SHA512-CRYPT}$2y$": bcrypt("$2y$", "SHA512-CRYPT"),
    "bcrypt of cost 12": BCRYPT_12,
    "SHA512-CRYPT with rounds=": made("SHA512-CRYPT", rounds=6000),
    "SHA512-CRYPT without rounds=": made("SHA512-CRYPT", rounds=5000).replace("$rounds=5000", ""),
    "SHA256-CRYPT": made("SHA256-CRYPT", rounds=5000),
    "{SHA256-CRYPT} on $6$": "{SHA256-CRYPT}" + bare(made("SHA512-CRYPT", rounds=5000)),
    "{CRYPT}$6$": "{CRYPT}" + bare(made("SHA512-CRYPT", rounds=5000)),
    "{CRYPT}$5$": "{CRYPT}" + bare(made("SHA256-CRYPT", rounds=5000)),
    "{CRYPT}$y$": made("CRYPT", kind="$y$"),
    "{CRYPT}$gy$": made("CRYPT", kind="$gy$"),
    "{CRYPT}$7$": made("CRYPT", kind="$7$", rounds=6),
    "{CRYPT}$sha1$": made("CRYPT", kind="$sha1", rounds=10000),
    "{CRYPT}$3$": made("CRYPT", kind="$3$"),
    "SSHA with a blank at the end": SSHA + " ",
    "SSHA with a long salt": made("SSHA", salt=32),
    "SSHA256": made("SSHA256"),
    "SSHA512": made("SSHA512"),
    "SSHA512.HEX": made("SSHA512.HEX"),
    "SSHA512.b64": made("SSHA512").replace("SSHA512", "SSHA512.b64"),
    "SHA": made("SHA"),
    "SHA1.HEX": "{SHA1.HEX}" + hashlib.sha1(SECRET, usedforsecurity=False).hexdigest(),
    "SHA1 in hex without saying so": "{SHA1}" + hashlib.sha1(SECRET, usedforsecurity=False).hexdigest(),
    "SHA256 in capital hex": "{SHA256.HEX}" + hashlib.sha256(SECRET).hexdigest().upper(),
    "SHA512": made("SHA512"),
    "ARGON2ID.HEX": "{ARGON2ID.HEX}" + bare(GOOD).encode().hex(),
    "ARGON2ID.b64": "{ARGON2ID.b64}" + base64.b64encode(bare(GOOD).encode()).decode(),
    "PBKDF2": made("PBKDF2", rounds=5000),
    "SCRAM-SHA-1": made("SCRAM-SHA-1", rounds=4096),
    "SCRAM-SHA-256": made("SCRAM-SHA-256", rounds=4096),
    "CRAM-MD5": made("CRAM-MD5"),
    "PLAIN": "{PLAIN}" + SECRET.decode(),
    "CLEARTEXT": "{CLEARTEXT}" + SECRET.decode(),
    "PLAIN.b64": "{PLAIN.b64}" + base64.b64encode(SECRET).decode(),
    "PLAIN.HEX": "{PLAIN.HEX}" + SECRET.hex(),
    "PLAIN-TRUNC": "{PLAIN-TRUNC}13-" + SECRET.decode(),
    "a field after the hash": GOOD,
}

WEAK: Mapping[str, str] = {
    "MD5-CRYPT": made("MD5-CRYPT"),
    "{CRYPT}$1$": "{CRYPT}" + bare(made("MD5-CRYPT")),
    "DES-CRYPT": made("DES-CRYPT", b"12345678"),
    "PLAIN-MD5": made("PLAIN-MD5"),
    "LDAP-MD5": made("LDAP-MD5"),
    "{MD5} in base64": "{MD5}" + bare(made("LDAP-MD5")),
    "SMD5": made("SMD5"),
    "PLAIN-MD4": made("PLAIN-MD4"),
}


def all_well(told: Proof, rows: Mapping[str, str], password: bytes = SECRET) -> None:
    """Each user logs in, and nothing is found, with the password and without."""
    wrong: list[str] = []
    for name, user in rows.items():
        told.user = user
        if not told.lab.login(user, password).ok:
            wrong.append(f"{name}: the login fails")
        for given in (password, None):
            diagnosis = told.look(password=given).diagnosis
            wrong += [
                f"{name}: {finding.rule.code}, {finding.problem.says}" for finding in diagnosis.findings
            ]
            wrong += [
                f"{name}: {one.rule.code} undecided, {one.missing.reason}" for one in diagnosis.undecided
            ]
        record(told.lab, f"healthy: {of_the_test()}, {name}", [])
    assert wrong == []


def test_odd_hashes_that_work(proof: Make, dovecot_version: str) -> None:
    """In the store that is nearest to each: a file for 2.3, a database for 2.4."""
    store = "sqlite" if dovecot_version >= "2.4" else "passwd-file"
    users = {f"user{number}": stored for number, stored in enumerate(ROWS.values())}
    told = proof(dovecot_version, store, users)
    all_well(told, dict(zip(ROWS, users, strict=True)))


def test_weak_hashes_that_are_allowed(proof: Make, dovecot_version: str) -> None:
    settings = "auth_allow_weak_schemes = yes\n" if dovecot_version >= "2.4" else ""
    users = {f"user{number}": stored for number, stored in enumerate(WEAK.values())}
    told = proof(dovecot_version, "sqlite", users, settings=settings)
    rows = dict(zip(WEAK, users, strict=True))
    all_well(told, {"DES-CRYPT": rows.pop("DES-CRYPT")}, b"12345678")
    all_well(told, rows)


SCHEMES = ("ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SSHA512", "PLAIN", "PBKDF2", "CRYPT")


@pytest.mark.parametrize(
    "password",
    [UMLAUTS, "pässwörd".encode("latin-1"), b"p", b" leading and trailing ", b"\"quoted\" '$HOME' %u \\"],
    ids=["UTF-8", "Latin-1", "one letter", "blanks", "signs"],
)
def test_odd_passwords(proof: Make, dovecot_version: str, password: bytes) -> None:
    def stored(scheme: str) -> str:
        return made(scheme, password, cost=5) if scheme.endswith("F-CRYPT") else made(scheme, password)

    users = {scheme.lower(): stored(scheme) for scheme in SCHEMES if scheme != "PLAIN"}
    users["plain"] = "{PLAIN.b64}" + base64.b64encode(password).decode()
    told = proof(dovecot_version, "passwd-file", users)
    all_well(told, {user: user for user in users}, password)


def test_a_password_of_255_bytes(proof: Make, dovecot_version: str) -> None:
    """Where all of it counts."""
    users = {name.lower(): made(name, LONG) for name in ("ARGON2ID", "SHA512-CRYPT", "SSHA512", "PBKDF2")}
    told = proof(dovecot_version, "sqlite", users)
    all_well(told, {user: user for user in users}, LONG)


CACHE = "auth_cache_size = 1M\n"
SETTINGS = {
    "auth_cache": (CACHE, CACHE),
    "a cache verified by the worker": (
        CACHE + "auth_cache_verify_password_with_worker = yes\n",
        CACHE + "auth_cache_verify_password_with_worker = yes\n",
    ),
    "no limit at all": (
        "service auth {\n  vsz_limit = 0\n}\nservice auth-worker {\n  vsz_limit = 0\n}\n",
        "service auth {\n  vsz_limit = unlimited\n}\nservice auth-worker {\n  vsz_limit = unlimited\n}\n",
    ),
    "default_vsz_limit": ("default_vsz_limit = 1G\n", "default_vsz_limit = 1G\n"),
    "more mechanisms": ("auth_mechanisms = plain login\n", "auth_mechanisms = plain login\n"),
    "quiet": ("auth_verbose = no\n", "auth_verbose = no\n"),
}


@pytest.mark.parametrize("store", ["passwd-file", "pgsql"])
@pytest.mark.parametrize("name", SETTINGS)
def test_odd_settings(proof: Make, dovecot_version: str, store: str, name: str) -> None:
    v23, v24 = SETTINGS[name]
    settings = v23 if dovecot_version < "2.4" else v24
    told = proof(dovecot_version, store, {"alice": GOOD, "bob": made("BLF-CRYPT", cost=5)}, settings=settings)
    all_well(told, {"Argon2": "alice", "bcrypt": "bob"})
    all_well(told, {"from the cache": "alice"})


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("store", ["passwd-file", "pgsql"])
def test_use_worker(proof: Make, dovecot_version: str, store: str) -> None:
    told = proof(dovecot_version, store, {"alice": GOOD}, passdb_extra="use_worker = yes")
    all_well(told, {"use_worker": "alice"})


NAMES = {
    "a full name": ("alice@example.org", "alice@example.org", ("", "")),
    "capitals": ("alice", "ALICE", ("", "")),
    "the domain taken off": (
        "alice",
        "alice@example.org",
        ("auth_username_format = %Ln\n", "auth_username_format = %{user | username | lower}\n"),
    ),
    "a default realm": (
        "alice@example.org",
        "alice",
        ("auth_default_realm = example.org\n", "auth_default_domain = example.org\n"),
    ),
    "capitals that count": (
        "Alice",
        "Alice",
        ("auth_username_format = %u\n", "auth_username_format = %{user}\n"),
    ),
}


@pytest.mark.parametrize("store", ["passwd-file", "sqlite"])
@pytest.mark.parametrize("name", NAMES)
def test_odd_names(proof: Make, dovecot_version: str, store: str, name: str) -> None:
    has, given, (v23, v24) = NAMES[name]
    told = proof(dovecot_version, store, {has: GOOD}, settings=v23 if dovecot_version < "2.4" else v24)
    all_well(told, {name: given})


def passwd_file(lab: Lab, text: str) -> None:
    path = lab.folder / "users"
    lab.stop()
    path.write_text(text)
    lab.restart()


@pytest.mark.parametrize(
    "line",
    ["\n\n# a comment\n\nalice:{}\n\n", "alice:{}:1000:1000::/home/alice::userdb_quota=1G\n", "alice:{}\r\n",
     "bob:{{PLAIN}}x\nalice:{}\nalice:{{PLAIN}}y\n", "alice:{}"],
    ids=["empty lines", "all fields", "CR", "the first line counts", "no newline at the end"],
)  # fmt: skip
def test_odd_passwd_files(proof: Make, dovecot_version: str, line: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    passwd_file(told.lab, line.format(GOOD))
    all_well(told, {"alice": "alice"})


def test_two_passdbs(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"bob": made("SSHA512", b"other")})
    users = told.lab.folder / "second"
    users.write_text(f"alice:{GOOD}\n")
    share(users, told.lab.build.group("dovecot") if os.geteuid() == 0 else None)
    told.lab.configure(
        f"passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
        if dovecot_version < "2.4"
        else f"passdb second {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n"
    )
    told.lab.reload()
    all_well(told, {"in the second": "alice"})


@pytest.mark.parametrize("store", ["sqlite", "mysql"])
@pytest.mark.parametrize(
    "query",
    ["SELECT userid, password FROM users WHERE userid = '{u}'",
     "SELECT userid AS user, password, 'x' AS userdb_quota_rule FROM users WHERE userid = '{u}' LIMIT 1",
     "SELECT password FROM users WHERE userid = '{u}' AND 1 = 1",
     "SELECT NULL AS nologin, password FROM users WHERE userid = '{u}'",
     "SELECT CASE WHEN 1 = 1 THEN password END AS password FROM users WHERE userid = '{u}'"],
    ids=["no user field", "more fields", "password alone", "NULL fields", "an expression"],
)  # fmt: skip
def test_odd_queries(proof: Make, dovecot_version: str, store: str, query: str) -> None:
    text = query.replace("{u}", "%u" if dovecot_version < "2.4" else "%{user}")
    told = proof(dovecot_version, store, {"alice": GOOD}, query=text)
    all_well(told, {"alice": "alice"})


def by_default(scheme: str) -> str:
    """Without its scheme before it."""
    if scheme == "PLAIN":
        return SECRET.decode()
    return bare(made(scheme, cost=5) if scheme == "BLF-CRYPT" else made(scheme))


@pytest.mark.dovecot("< 2.4")
@pytest.mark.parametrize("scheme", ["BLF-CRYPT", "ARGON2ID", "SSHA512", "PLAIN"])
def test_a_default_scheme_that_fits_2_3(proof: Make, dovecot_version: str, scheme: str) -> None:
    stored = by_default(scheme)
    told = proof(dovecot_version, "sqlite", {"alice": stored}, sql_extra=f"default_pass_scheme = {scheme}")
    all_well(told, {scheme: "alice"})


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("store", ["passwd-file", "sqlite"])
@pytest.mark.parametrize("scheme", ["BLF-CRYPT", "ARGON2ID", "SSHA512", "PLAIN"])
def test_a_default_scheme_that_fits_2_4(proof: Make, dovecot_version: str, store: str, scheme: str) -> None:
    stored = by_default(scheme)
    told = proof(
        dovecot_version, store, {"alice": stored}, passdb_extra=f"default_password_scheme = {scheme}"
    )
    all_well(told, {scheme: "alice"})
