"""The STORE rules: what is said of every row is what happens when its user logs in."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import psycopg
import pymysql
import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.version import Version
from mailauth.evidence import Surveys
from mailauth.finding import Diagnosis
from mailauth.hashes import Password, generate
from mailauth.lab import Lab, builds
from mailauth.remedies import ON_LOGIN
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, MiB, argon2id, record

MakeLab = Callable[..., Lab]


def made(scheme: str, **options: int | str) -> str:
    return generate(scheme, Password(SECRET), user="", **options)


def bare(stored: str) -> str:
    return stored.partition("}")[2]


GOOD = made("ARGON2ID", memory=19456, time=2, lanes=1)
SMALL = made("ARGON2ID", memory=1024, time=1)
BCRYPT = made("BLF-CRYPT", cost=10)
SHA512 = made("SHA512-CRYPT", rounds=5000)
MD5 = made("MD5-CRYPT")


def mix() -> dict[str, str | None]:
    """Rows of every fate.  No two of the same class, so that each user is named."""
    rows: dict[str, str | None] = {
        "argon2i": made("ARGON2I", memory=1024, time=3),
        "argon2id": SMALL,
        "argon2id-b64": made("ARGON2ID.B64", memory=2048, time=1),
        "argon2id-lower": SMALL.replace("{ARGON2ID}", "{argon2id}"),
        "argon2": SMALL.replace("{ARGON2ID}", "{ARGON2}"),
        "argon2d": SMALL.replace("$argon2id$", "$argon2d$"),
        "argon2-v16": SMALL.replace("v=19", "v=16"),
        "argon2-as-i": SMALL.replace("{ARGON2ID}", "{ARGON2I}"),
        "argon2-padded": SMALL + "=",
        "argon2-cut": SMALL[:64],
        "argon2-cut-less": SMALL[:-2],
        "argon2-end": SMALL[:-1] + "B",
        "argon2-odd": SMALL[:-5] + "?" + SMALL[-4:],
        "argon2-dot": SMALL[:-5] + "." + SMALL[-4:],
        "argon2-blank": SMALL + " ",
        "argon2-front": " " + SMALL,
        "argon2-quoted": f'"{SMALL}"',
        "argon2-twice": "{ARGON2ID}" + SMALL,
        "argon2-as-sha": SMALL.replace("{ARGON2ID}", "{SHA512-CRYPT}"),
        "argon2-bare": bare(SMALL),
        "bcrypt": made("BLF-CRYPT", cost=4),
        "bcrypt-crypt": made("BLF-CRYPT", cost=5).replace("BLF-CRYPT", "CRYPT"),
        "bcrypt-bare": bare(made("BLF-CRYPT", cost=5)),
        "bcrypt-cut": made("BLF-CRYPT", cost=4)[:-7],
        "bcrypt-end": made("BLF-CRYPT", cost=6)[:-1] + "z",
        "bcrypt-name": made("BLF-CRYPT", cost=4).replace("BLF-CRYPT", "BCRYPT"),
        "sha512-crypt": made("SHA512-CRYPT", rounds=1000),
        "sha512-crypt-bare": bare(SHA512),
        "sha512-crypt-blank": SHA512 + "\t",
        "sha256-crypt": made("SHA256-CRYPT", rounds=1000),
        "yescrypt": made("CRYPT", kind="$y$", rounds=1),
        "scrypt": made("CRYPT", kind="$7$", rounds=6),
        "sha512": made("SHA512"),
        "sha512-hex": made("SHA512.HEX"),
        "sha256-cut": made("SHA256")[:-4],
        "ssha512": made("SSHA512"),
        "ssha": made("SSHA"),
        "pbkdf2": made("PBKDF2", rounds=1000),
        "scram-1": made("SCRAM-SHA-1", rounds=4096),
        "scram-256": made("SCRAM-SHA-256", rounds=4096),
        "scram-cut": made("SCRAM-SHA-256", rounds=4096)[:-9],
        "cram-md5": made("CRAM-MD5"),
        "plain": "{PLAIN}" + SECRET.decode(),
        "plain-b64": made("PLAIN.B64"),
        "plain-bare": SECRET.decode(),
        "md5-crypt": MD5,
        "md5-crypt-bare": bare(MD5),
        "md5-crypt-crypt": MD5.replace("MD5-CRYPT", "CRYPT"),
        "des": made("DES-CRYPT"),
        "des-bare": bare(made("DES-CRYPT")),
        "plain-md5": made("PLAIN-MD5"),
        "plain-md5-bare": bare(made("PLAIN-MD5")),
        "ldap-md5": made("LDAP-MD5"),
        "smd5": made("SMD5"),
        "plain-md4": made("PLAIN-MD4"),
        "foreign": "{FOO}" + bare(SMALL),
        "nothing-after": "{CRYPT}",
        "nothing": "",
        "umlaut": SMALL[:-5] + "\u00fc" + SMALL[-4:],
    }
    return rows


def asked(lab: Lab, version: str | None = None) -> Diagnosis:
    """``mailauth checkup``, with nothing undecided."""
    as_if = Version.parse(version) if version else None
    looked = look_at_all(Checkup(at_pid(lab.master_pid, None), as_if, names=1000))
    assert [f"{u.rule.code}: {u.missing.reason}" for u in looked.diagnosis.undecided] == []
    if looked.diagnosis.findings:
        record(lab, "", codes(looked.diagnosis))
    return looked.diagnosis


def codes(diagnosis: Diagnosis) -> set[str]:
    return {finding.rule.code for finding in diagnosis.findings}


def says(diagnosis: Diagnosis, code: str = "") -> str:
    return next(one.problem.says for one in diagnosis.findings if code in ("", one.rule.code))


def fate(diagnosis: Diagnosis) -> set[str]:
    """The users that fail, says the survey."""
    surveys = next(fact for fact in diagnosis.evidence if isinstance(fact, Surveys))
    return {user for store in surveys.stores for one in store.survey.broken for user in one.users}


def failing(lab: Lab, users: Mapping[str, str | None]) -> set[str]:
    return {user for user in users if not lab.login(user, SECRET).ok}


# Under 2.4.1's PLAIN these could be passwords; only what reads them today tells that they are hashes.
AMBIGUOUS = {"des-bare", "plain-md5-bare"}


def test_what_is_foreseen_is_what_happens(lab: MakeLab, store: str) -> None:
    """Acceptance: the rows of a 2.3.19.1, judged as three versions would, and each asked for real."""
    users = mix()
    versions = [v for v in ("2.3.19.1", "2.4.1", "2.4.5") if builds.available(v)]
    assert versions[:2] == ["2.3.19.1", "2.4.1"]
    with lab("2.3.19.1", store, users) as old:
        foreseen = {version: fate(asked(old, version)) for version in versions}
        assert fate(asked(old)) == foreseen["2.3.19.1"]
    for version in versions:
        with lab(version, store, users) as real:
            fails = failing(real, users)
            assert fate(asked(real)) - AMBIGUOUS == fails - AMBIGUOUS, version
        # What this store's default scheme does not take for a hash today could be a password under PLAIN.
        other = {"plain-md5-bare"} if store == "passwd-file" else {"des-bare"}
        unclear = other if version == "2.4.1" else set()
        assert foreseen[version] - unclear == fails - unclear, version


def test_a_healthy_store_gives_nothing(lab: MakeLab, dovecot_version: str, store: str) -> None:
    with lab(dovecot_version, store, {"alice": GOOD, "bob": BCRYPT}) as one:
        assert codes(asked(one)) == set()
        assert failing(one, {"alice": GOOD, "bob": BCRYPT}) == set()


def broken_row(one: Lab, stored: str, wanted: set[str], *, fails: bool) -> Diagnosis:
    """One row goes bad beside a good one, is named, and is mended."""
    assert codes(asked(one)) == set()
    one.set_password("alice", stored)
    found = asked(one)
    assert codes(found) == wanted
    assert failing(one, {"alice": "", "bob": ""}) == ({"alice"} if fails else set())
    assert "(alice)" in says(found)
    return found


def mended(one: Lab) -> None:
    one.set_password("alice", GOOD)
    assert codes(asked(one)) == set()
    assert failing(one, {"alice": "", "bob": ""}) == set()


@pytest.mark.core
def test_store001(lab: MakeLab, dovecot_version: str, store: str) -> None:
    with lab(dovecot_version, store, {"alice": GOOD, "bob": GOOD}) as one:
        found = broken_row(one, GOOD[:50], {"STORE001"}, fails=True)
        assert "1 of 2 rows: 1 x cut off" in says(found)
        mended(one)


@pytest.mark.dovecot(">= 2.4")
def test_store002(lab: MakeLab, dovecot_version: str, store: str) -> None:
    with lab(dovecot_version, store, {"alice": GOOD, "bob": GOOD}) as one:
        found = broken_row(one, MD5, {"STORE002"}, fails=True)
        remedy = found.findings[0].problem.remedy
        one.configure(remedy.config["2.4"] + "\n")
        one.reload()
        assert failing(one, {"alice": ""}) == set()
        [weak] = asked(one).findings
        assert weak.rule.code == "STORE006"
        assert [command[: len(ON_LOGIN)] for command in weak.problem.remedy.commands] == [ON_LOGIN]
        mended(one)


@pytest.mark.parametrize("name", ["BCRYPT", "FOO"])
def test_store003(lab: MakeLab, dovecot_version: str, name: str) -> None:
    with lab(dovecot_version, "sqlite", {"alice": GOOD, "bob": GOOD}) as one:
        broken_row(one, BCRYPT.replace("BLF-CRYPT", name), {"STORE003"}, fails=True)
        mended(one)


def test_store004(lab: MakeLab, dovecot_version: str, store: str) -> None:
    """One user has a larger hash than all the others."""
    with lab(dovecot_version, store, {"alice": GOOD, "bob": GOOD}) as one:
        one.set_password("alice", argon2id(memory=256 * MiB))
        found = asked(one)
        assert codes(found) == {"STORE004"}
        assert "1 of 2 rows do not fit" in says(found)
        assert failing(one, {"alice": "", "bob": ""}) == {"alice"}
        one.configure(found.findings[0].problem.remedy.config[one.dialect])
        one.reload()
        assert failing(one, {"alice": "", "bob": ""}) == set()
        assert codes(asked(one)) == set()


@pytest.mark.dovecot("< 2.4")
def test_store005(lab: MakeLab, dovecot_version: str) -> None:
    """A bare bcrypt hash works under CRYPT, and no default is set; once it has a name, nothing is said."""
    with lab(dovecot_version, "passwd-file", {"alice": GOOD, "bob": GOOD}) as one:
        broken_row(one, bare(BCRYPT), {"STORE005"}, fails=False)
        assert fate(asked(one, "2.4.1")) == {"alice"}
        one.set_password("alice", BCRYPT)
        assert codes(asked(one)) == set()
        assert fate(asked(one, "2.4.1")) == set()


@pytest.mark.parametrize("query", ["SQL", "args"])
def test_a_default_that_is_set_is_no_store005(lab: MakeLab, query: str) -> None:
    """What stands in the configuration goes along in the upgrade."""
    more = {"sql_extra": "default_pass_scheme = BLF-CRYPT"} if query == "SQL" else {}
    kind = "sqlite" if query == "SQL" else "passwd-file"
    with lab("2.3.19.1", kind, {"alice": bare(BCRYPT)}, **more) as one:
        if query == "args":
            text = one.config.read_text()
            one.config.write_text(text.replace("args = /", "args = scheme=CRYPT /"))
            one.reload()
        assert failing(one, {"alice": ""}) == set()
        assert codes(asked(one)) == set()
        assert fate(asked(one, "2.4.1")) == set()


def test_store006(lab: MakeLab, dovecot_version: str, store: str) -> None:
    with lab(dovecot_version, store, {"alice": GOOD, "bob": GOOD}) as one:
        broken_row(one, SHA512, {"STORE006"}, fails=False)
        mended(one)


def sql(one: Lab, *statements: str) -> None:
    """As an administrator would."""
    place = one.store.place
    link: Any
    if one.driver == "sqlite":
        link = sqlite3.connect(str(place.path))
    elif one.driver == "pgsql":
        link = psycopg.connect(
            host=place.host, port=place.port, user=place.user, password=place.password, dbname=place.database
        )
    else:
        link = pymysql.connect(
            host=place.host,
            port=place.port,
            user=place.user,
            password=place.password,
            database=place.database,
            ssl_disabled=True,
        )
    with closing(link):
        cursor = link.cursor()
        for statement in statements:
            cursor.execute(statement)
        link.commit()


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_store007(lab: MakeLab, dovecot_version: str, kind: str) -> None:
    """A column of 72 characters is enough for bcrypt, and cuts Argon2."""
    with lab(dovecot_version, kind, {"alice": GOOD, "bob": BCRYPT}) as one:
        change = (
            "ALTER TABLE users ALTER COLUMN password TYPE"
            if kind == "pgsql"
            else "ALTER TABLE users MODIFY password"
        )
        sql(one, "UPDATE users SET password = SUBSTR(password, 1, 72)", f"{change} VARCHAR(72)")
        found = asked(one)
        assert codes(found) == {"STORE001", "STORE007"}
        assert failing(one, {"alice": "", "bob": ""}) == {"alice"}
        assert "1 are exactly as long as it is wide" in says(found, "STORE007")
        sql(one, f"{change} VARCHAR(255)")
        assert codes(asked(one)) == {"STORE001"}
        one.set_password("alice", GOOD)
        assert codes(asked(one)) == set()
        assert failing(one, {"alice": "", "bob": ""}) == set()


def test_store008(lab: MakeLab, dovecot_version: str) -> None:
    """A script that appends: the first line goes on counting."""
    with lab(dovecot_version, "passwd-file", {"alice": GOOD, "bob": GOOD}) as one:
        path = one.store.path
        assert path
        good = path.read_text()
        path.write_text(
            good + "alice:" + made("ARGON2ID", memory=19456, time=2).replace("p=1", "p=1") + "x\n"
        )
        one.restart()
        found = asked(one)
        assert codes(found) == {"STORE008"}
        assert "1 names are in several lines (alice)" in says(found)
        assert failing(one, {"alice": "", "bob": ""}) == set()
        path.write_text(good)
        one.restart()
        assert codes(asked(one)) == set()


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_store009(lab: MakeLab, dovecot_version: str, kind: str) -> None:
    """Two rows, and no key that forbids it."""
    with lab(dovecot_version, kind, {"alice": GOOD, "bob": GOOD}) as one:
        key = {
            "sqlite": [
                "CREATE TABLE t AS SELECT * FROM users",
                "DROP TABLE users",
                "ALTER TABLE t RENAME TO users",
            ],
            "mysql": ["ALTER TABLE users DROP PRIMARY KEY"],
            "pgsql": ["ALTER TABLE users DROP CONSTRAINT users_pkey"],
        }[kind]
        sql(one, *key, "INSERT INTO users SELECT * FROM users WHERE userid = 'alice'")
        found = asked(one)
        assert codes(found) == {"STORE009"}
        assert "(alice)" in says(found)
        assert failing(one, {"alice": "", "bob": ""}) == {"alice"}
        assert mailauth("audit", "--pid", str(one.master_pid)).returncode == 1
        one.set_password("alice", GOOD)
        assert codes(asked(one)) == set()
        assert failing(one, {"alice": "", "bob": ""}) == set()
        assert mailauth("audit", "--pid", str(one.master_pid)).returncode == 0


@pytest.mark.parametrize(
    ("running", "asked_for", "wanted"),
    [("2.3.19.1", "2.4.1", {"UPG001"}), ("2.4.1", "2.3.19.1", {"UPG001"}), ("2.4.1", "2.4.5", set())],
)
def test_upg001(lab: MakeLab, running: str, asked_for: str, wanted: set[str]) -> None:
    """Which lines the other version refuses: the real doveconf of 2.4.1 refuses the same file."""
    with lab(running, "sqlite", {"alice": GOOD}) as one:
        found = asked(one, asked_for)
        assert codes(found) == wanted
        if running < "2.4":
            assert f"{one.config} has no dovecot_config_version before line 1: 2.4 wants" in says(found)
        assert codes(asked(one)) == set()


def test_a_store_that_cannot_be_read_is_undecided(lab: MakeLab, dovecot_version: str) -> None:
    with lab(dovecot_version, "sqlite", {"alice": GOOD}) as one:
        path = one.store.path
        assert path
        path.unlink()
        diagnosis = look_at_all(Checkup(at_pid(one.master_pid, None))).diagnosis
        undecided = {each.rule.code for each in diagnosis.undecided}
        assert {"STORE001", "STORE004", "STORE006"} <= undecided
