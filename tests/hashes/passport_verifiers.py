"""Who verifies what ``hash convert --to`` makes: the real target, else its documented algorithm.

Each takes pairs of a string and a password, and says of each whether they match.  What is written out here is
by the targets' own sources, and uses nothing of mailauth's.
"""

import base64
import binascii
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import argon2
import bcrypt
import psycopg
from passlib import hash as passlib

from mailauth.lab.databases import Server
from tests.conftest import missing
from tests.field.directory import SUFFIX, Directory

Pairs = Sequence[tuple[str, str]]


def crypt3(pairs: Pairs) -> list[str]:
    """crypt(3) of the system, by Perl: of each setting and password."""
    code = "while (<>) { chomp; my ($s, $p) = map { pack 'H*', $_ } split /,/; print crypt($p, $s), qq(\\n) }"
    given = "".join(f"{setting.encode().hex()},{password.encode().hex()}\n" for setting, password in pairs)
    done = subprocess.run(["perl", "-e", code], input=given, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def shadow(pairs: Pairs) -> list[bool]:
    return [made == stored for made, (stored, _) in zip(crypt3(pairs), pairs, strict=True)]


_DJANGO = """
import json, sys
from django.conf import global_settings, settings
own = ["django.contrib.auth.hashers.BCryptPasswordHasher"] if sys.argv[1] == "django" else []
settings.configure(PASSWORD_HASHERS=[*global_settings.PASSWORD_HASHERS, *own])
from django.contrib.auth.hashers import check_password
print(json.dumps([check_password(password, stored) for stored, password in json.load(sys.stdin)]))
"""


def django(pairs: Pairs, which: str = "django") -> list[bool]:
    """Django itself.  authentik leaves its list of hashers as it is."""
    done = subprocess.run(
        [sys.executable, "-c", _DJANGO, which],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named 'django'" in done.stderr:
        missing("Django is not here; install the packages of bin/locked/test.txt")
    assert done.returncode == 0, done.stderr
    return [bool(one) for one in json.loads(done.stdout)]


def authentik(pairs: Pairs) -> list[bool]:
    return django(pairs, "authentik")


def php(pairs: Pairs) -> list[bool]:
    """PHP's own password_verify()."""
    if shutil.which("php") is None:
        missing("php is not here; install php-cli")
    code = (
        "$pairs = json_decode(stream_get_contents(STDIN));"
        " echo json_encode(array_map(fn($one) => password_verify($one[1], $one[0]), $pairs));"
    )
    done = subprocess.run(
        ["php", "-r", code], input=json.dumps(pairs), capture_output=True, text=True, check=True
    )
    return [bool(one) for one in json.loads(done.stdout)]


def htpasswd(pairs: Pairs, folder: Path) -> list[bool]:
    """Apache's own htpasswd."""
    if shutil.which("htpasswd") is None:
        missing("htpasswd is not here; install apache2-utils")
    file = folder / "htpasswd"
    file.write_text("".join(f"user{at}:{stored}\n" for at, (stored, _) in enumerate(pairs)))
    return [
        subprocess.run(
            ["htpasswd", "-vi", str(file), f"user{at}"],
            input=password,
            text=True,
            capture_output=True,
            check=False,
        ).returncode
        == 0
        for at, (_, password) in enumerate(pairs)
    ]


def openldap(pairs: Pairs, folder: Path) -> list[bool]:
    """A real slapd, bound to with each."""
    modules = ("argon2", "pw-sha2", "pw-pbkdf2")
    if absent := [one for one in modules if not Path(f"/usr/lib/ldap/{one}.so").exists()]:
        missing(f"slapd has no {', '.join(absent)}; install slapd and slapd-contrib")
    secret = folder / "secret"
    users = {f"user{at}": stored for at, (stored, _) in enumerate(pairs)}
    answers = []
    with Directory(folder / "slapd", users, modules) as one:
        for at, (_, password) in enumerate(pairs):
            secret.write_text(password)
            asked = ["ldapwhoami", "-x", "-H", one.uri, "-D", f"uid=user{at},{SUFFIX}", "-y", str(secret)]
            answers.append(subprocess.run(asked, capture_output=True, check=False).returncode == 0)
    return answers


def postgresql(pairs: Pairs, server: Server) -> list[bool]:
    """A real PostgreSQL, logged in to over TCP."""
    answers = []
    for stored, password in pairs:
        server.execute(f"CREATE ROLE passport LOGIN PASSWORD '{stored}'")
        try:
            with psycopg.connect(
                host="127.0.0.1", port=server.port, user="passport", password=password, dbname="postgres"
            ):
                answers.append(True)
        except psycopg.OperationalError:
            answers.append(False)
        server.execute("DROP ROLE passport")
    return answers


def _argon2(stored: str, password: str) -> bool:
    try:
        return argon2.PasswordHasher().verify(stored, password)
    except argon2.exceptions.VerifyMismatchError:
        return False


_DIGESTS = {"MD5": "md5", "SHA": "sha1", "SHA256": "sha256", "SHA512": "sha512"}


def _ldap_digest(name: str, text: str, password: str) -> bool | None:
    """{SSHA256} and its like; None for another name."""
    digest = _DIGESTS.get(name) or _DIGESTS.get(name.removeprefix("S"))
    if digest is None:
        return None
    raw = base64.b64decode(text, validate=True)
    size = hashlib.new(digest).digest_size
    assert (len(raw) > size) == (name not in _DIGESTS)
    return hashlib.new(digest, password.encode() + raw[size:]).digest() == raw[:size]


def _named(stored: str) -> tuple[str, str]:
    assert stored.startswith("{")
    name, _, text = stored[1:].partition("}")
    return name, text


def _pbkdf2(text: str, password: str) -> bool:
    """``rounds$salt$key`` in base64 with its padding, SHA-1."""
    rounds, salt, key = text.split("$")
    made = hashlib.pbkdf2_hmac("sha1", password.encode(), base64.b64decode(salt), int(rounds))
    return made == base64.b64decode(key)


def ds389(stored: str, password: str) -> bool:
    """ldap/servers/plugins/pwdstorage crypt_pwd.c, sha_pwd.c, ssha_pwd.c, smd5_pwd.c; src/plugins/pwdchan."""
    name, text = _named(stored)
    match name:
        case "CRYPT":
            return shadow([(text, password)])[0]
        case "PBKDF2-SHA1":
            return _pbkdf2(text, password)
    said = _ldap_digest(name, text, password)
    assert said is not None, name
    return said


def kanidm(stored: str, password: str) -> bool:
    """libs/crypto/src/lib.rs, TryFrom<&str> for Password."""
    if stored.startswith("sambaNTPassword: "):
        return bool(passlib.nthash.verify(password, stored.split()[1].lower()))
    name, text = _named(stored)
    match name.lower():
        case "argon2":
            assert text.startswith("$argon2id$")
            return _argon2(text, password)
        case "crypt":
            assert text[:3] in {"$1$", "$5$", "$6$"}
            return shadow([(text, password)])[0]
        case "pbkdf2-sha1":
            return _pbkdf2(text, password)
    said = _ldap_digest(name.upper(), text, password)
    assert said is not None
    assert "MD5" not in name
    return said


def keycloak(stored: str, password: str) -> bool:
    """Argon2PasswordHashProvider and Pbkdf2PasswordHashProvider, verify()."""
    credential = json.loads(stored)
    secret, data = json.loads(credential["secretData"]), json.loads(credential["credentialData"])
    salt, extra, rounds = (
        base64.b64decode(secret["salt"]),
        data["additionalParameters"],
        data["hashIterations"],
    )
    if data["algorithm"] == "argon2":
        assert extra["version"] == ["1.3"]
        kind = {"id": argon2.Type.ID, "i": argon2.Type.I}[extra["type"][0]]
        memory, lanes, size = (int(extra[name][0]) for name in ("memory", "parallelism", "hashLength"))
        made = argon2.low_level.hash_secret_raw(password.encode(), salt, rounds, memory, lanes, size, kind)
    else:
        assert data["algorithm"] == "pbkdf2"
        size = len(base64.b64decode(secret["value"]))
        made = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, rounds, size)
    return base64.b64encode(made).decode() == str(secret["value"])


def stalwart(stored: str, password: str) -> bool:
    """crates/directory/src/core/secret.rs, verify_secret_hash()."""
    if stored.startswith("$argon2"):
        return _argon2(stored, password)
    if stored.startswith("$2"):
        return bcrypt.checkpw(password.encode(), stored.encode())
    for prefix, handler in (
        ("$6$", passlib.sha512_crypt),
        ("$5$", passlib.sha256_crypt),
        ("$sha1", passlib.sha1_crypt),
        ("$1$", passlib.md5_crypt),
        ("_", passlib.bsdi_crypt),
    ):
        if stored.startswith(prefix):
            return bool(handler.verify(password, stored))
    name, text = _named(stored)
    if name == "CRYPT":
        return bool(passlib.des_crypt.verify(password, text))
    said = _ldap_digest(name, text, password)
    assert said is not None
    assert name != "SMD5"
    return said


def zitadel(stored: str, password: str) -> bool:
    """github.com/zitadel/passwap: argon2, bcrypt, pbkdf2, sha2, md5, md5salted, md5plain."""
    if stored.startswith("$argon2"):
        return _argon2(stored, password)
    if stored.startswith(("$2a$", "$2b$", "$2y$")):
        return bcrypt.checkpw(password.encode(), stored.encode())
    if stored.startswith("$md5salted-suffix$"):
        salt, key = stored.split("$")[2:]
        made = hashlib.md5(password.encode() + salt.encode(), usedforsecurity=False).digest()
        return made == base64.b64decode(key, validate=True)
    for prefix, handler in (
        ("$pbkdf2$", passlib.pbkdf2_sha1),
        ("$6$", passlib.sha512_crypt),
        ("$5$", passlib.sha256_crypt),
        ("$1$", passlib.md5_crypt),
    ):
        if stored.startswith(prefix):
            return bool(handler.verify(password, stored))
    return hashlib.md5(password.encode(), usedforsecurity=False).digest() == binascii.unhexlify(stored)


def cyrus_sasl(stored: str, password: str) -> bool:
    """plugins/scram.c: authPassword as RFC 5803 has it; else the password itself."""
    if not stored.startswith("SCRAM-SHA-"):
        return stored == password
    name, numbers, keys = stored.split("$")
    digest = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[name]
    rounds, salt = numbers.split(":")
    salted = hashlib.pbkdf2_hmac(
        digest, password.encode(), base64.b64decode(salt, validate=True), int(rounds)
    )
    client, server = (hmac.digest(salted, words, digest) for words in (b"Client Key", b"Server Key"))
    made = (hashlib.new(digest, client).digest(), server)
    return [base64.b64decode(one, validate=True) for one in keys.split(":")] == list(made)


def each(one: Callable[[str, str], bool]) -> Callable[[Pairs], list[bool]]:
    return lambda pairs: [one(stored, password) for stored, password in pairs]
