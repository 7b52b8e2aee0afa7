"""Every way in which a stored string is broken, in real Dovecots: named, mended, and the login works again.

One lab has all the faults at once, a user each, since what is wrong with one string does not depend on
another: so each is proven in each store in a fraction of a second.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from argon2.low_level import Type, hash_secret

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Finding, StoreChange
from mailauth.hashes import Password, generate
from mailauth.hashes.damaged import Reader
from mailauth.hashes.way_back import mended as mended_form
from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id, record

Make = Callable[..., Proof]

GOOD = argon2id(memory=1 * MiB)
ANY = Reader((2, 4, 1), allow_weak=True)
HEAD, SALT, TAG = GOOD.rsplit("$", 2)


def made(scheme: str, **params: Any) -> str:
    return generate(scheme, Password(SECRET), **params)


def bare(stored: str) -> str:
    return stored.partition("}")[2]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


BCRYPT = made("BLF-CRYPT", cost=5)
SHA512_CRYPT = made("SHA512-CRYPT", rounds=5000)
SSHA512 = made("SSHA512", salt=8)
ODD_SALT = BCRYPT[:39] + {".": "/", "O": "P", "e": "f", "u": "v"}[BCRYPT[39]] + BCRYPT[40:]
URL_SAFE = "{SHA512}" + base64.urlsafe_b64encode(hashlib.sha512(SECRET).digest()).decode()
ARGON2D = hash_secret(SECRET, b"0123456789abcdef", 1, 1024, 1, 32, Type.D).decode()
OLD = hash_secret(SECRET, b"0123456789abcdef", 1, 1024, 1, 32, Type.ID, 16).decode()
SHORT = hash_secret(SECRET, b"0123456789abcdef", 1, 1024, 1, 12, Type.ID).decode()
DJANGO = "pbkdf2_sha256$10000$saltsalt$" + b64(hashlib.pbkdf2_hmac("sha256", SECRET, b"saltsalt", 10000))
PHPASS = "$P$Bsv1oNXLeIkByhnTPc/jauJuzkFrby/"


@dataclass(frozen=True)
class Broken:
    """A fault: what is stored, and the code that names it."""

    name: str
    stored: str
    code: str
    only: str = ""  # "2.3" or "hashed": only there, or where the default scheme is not PLAIN, a fault
    lines: bool = True  # it can stand in a line of a passwd-file
    also: str = ""  # found beside it on a Dovecot whose default scheme is PLAIN


FAULTS = (
    Broken("Argon2 cut to 64 characters", GOOD[:64], "HASH005"),
    Broken("Argon2 cut by one", GOOD[:-1], "HASH005"),
    Broken("Argon2 cut by two", GOOD[:-2], "HASH005"),
    Broken("Argon2 cut to a tag of 21 bytes", f"{HEAD}${SALT}${TAG[:28]}", "HASH005"),
    Broken("bcrypt cut by five", BCRYPT[:-5], "HASH005"),
    Broken("SHA512-CRYPT cut to 100", SHA512_CRYPT[:100], "HASH005"),
    Broken("a blank at the end", GOOD + " ", "HASH007"),
    Broken("a blank before it", " " + GOOD, "HASH007", also="HASH024"),
    Broken("a blank after {SCHEME}", GOOD.replace("}", "} "), "HASH007"),
    Broken("a tab at the end of bcrypt", BCRYPT + "\t", "HASH007"),
    Broken("a newline at the end", GOOD + "\n", "HASH007", lines=False),
    Broken("a newline after SHA512-CRYPT", SHA512_CRYPT + "\r\n", "HASH007", lines=False),
    Broken("filled up with blanks", GOOD + " " * 40, "HASH007"),
    Broken("quotes around", f'"{GOOD}"', "HASH008", also="HASH024"),
    Broken("single quotes around bcrypt", f"'{BCRYPT}'", "HASH008", also="HASH024"),
    Broken("quotes after {SCHEME}", f'{{ARGON2ID}}"{bare(GOOD)}"', "HASH008"),
    Broken("{SCHEME} twice", "{ARGON2ID}" + GOOD, "HASH009"),
    Broken("{CRYPT} before {ARGON2ID}", "{CRYPT}" + GOOD, "HASH009"),
    Broken("{PLAIN} before {BLF-CRYPT}", "{PLAIN}" + BCRYPT, "HASH009", also="HASH024 always"),
    Broken("$ eaten by a shell", "{ARGON2ID}=19=1024,t=1,p=1+abc/def", "HASH010"),
    Broken("$ eaten by a shell, bcrypt", "{BLF-CRYPT}y0.abc/def", "HASH010"),
    Broken("$ with backslashes", BCRYPT.replace("$", "\\$"), "HASH010"),
    Broken("$ doubled for Compose", GOOD.replace("$", "$$"), "HASH010"),
    Broken("{CRYPT} on Argon2", "{CRYPT}" + bare(GOOD), "HASH012"),
    Broken("{SHA512-CRYPT} on Argon2", "{SHA512-CRYPT}" + bare(GOOD), "HASH012"),
    Broken("{BLF-CRYPT} on $6$", "{BLF-CRYPT}" + bare(SHA512_CRYPT), "HASH012"),
    Broken("{SHA512} on $6$", "{SHA512}" + bare(SHA512_CRYPT), "HASH012"),
    Broken("{SSHA512} on Argon2", "{SSHA512}" + bare(GOOD), "HASH012"),
    Broken("{SHA512} on a SHA-256", "{SHA512}" + b64(hashlib.sha256(SECRET).digest()), "HASH012"),
    Broken("{SHA512} on a salted one", "{SHA512}" + bare(SSHA512), "HASH012"),
    Broken("{ARGON2}", "{ARGON2}" + bare(GOOD), "HASH013", only="2.3"),
    Broken("{BCRYPT}", "{BCRYPT}" + bare(BCRYPT), "HASH014"),
    Broken("{bcrypt} of Spring", "{bcrypt}" + bare(BCRYPT), "HASH014"),
    Broken("{SHA-512}", "{SHA-512}" + bare(made("SHA512")), "HASH014"),
    Broken("{noop} of Spring", "{noop}" + SECRET.decode(), "HASH014"),
    Broken("Argon2d", "{ARGON2ID}" + ARGON2D, "HASH015"),
    Broken("{ARGON2D}", "{ARGON2D}" + ARGON2D, "HASH015"),
    Broken("Argon2 1.0", "{ARGON2ID}" + OLD, "HASH016"),
    Broken("Argon2 without v", "{ARGON2ID}" + OLD.replace("$v=16", ""), "HASH016"),
    Broken("a tag of 12 bytes", "{ARGON2ID}" + SHORT, "HASH017"),
    Broken("t before m", GOOD.replace("m=1024,t=1", "t=1,m=1024"), "HASH018"),
    Broken("data= in Argon2", GOOD.replace("p=1", "p=1,data=Zm9v"), "HASH018"),
    Broken("padding in Argon2", f"{HEAD}${SALT}==${TAG}=", "HASH019"),
    Broken("a digest without padding", made("SHA256").rstrip("="), "HASH019"),
    Broken("url-safe base64", URL_SAFE, "HASH019"),
    Broken("$2$", BCRYPT.replace("$2y$", "$2$"), "HASH020"),
    Broken("$2z$", BCRYPT.replace("$2y$", "$2z$"), "HASH020"),
    Broken("a salt that bcrypt never writes", ODD_SALT, "HASH021"),
    Broken("a cost of 3", BCRYPT.replace("$05$", "$03$"), "HASH021"),
    Broken("an id that the libc lacks", "{CRYPT}$8$saltsalt$abcdefghijklmnopqrstu", "HASH022"),
    Broken("the password itself", SECRET.decode(), "HASH028", only="hashed"),
    Broken("the password itself after {SCHEME}", "{SHA512-CRYPT}" + SECRET.decode(), "HASH028"),
    Broken("a scheme and nothing", "{ARGON2ID}", "HASH029"),
    Broken("nothing", "", "HASH029", also="HASH025"),
    Broken("phpass", PHPASS, "HASH030", only="hashed"),
    Broken("{CRYPT} on phpass", "{CRYPT}" + PHPASS, "HASH030"),
    Broken("{CRYPT} on Django's", "{CRYPT}" + DJANGO, "HASH030"),
    Broken("[SCHEME]", GOOD.replace("{", "[").replace("}", "]"), "HASH031", also="HASH024"),
    Broken("{SCHEME without }", GOOD.replace("}", ""), "HASH031", also="HASH024"),
    Broken("SCHEME} without {", GOOD[1:], "HASH031", also="HASH024"),
    Broken("rubbish", "{ARGON2ID}" + "x" * 200, "HASH001"),
    Broken("a $ too many", GOOD + "$", "HASH001"),
    Broken("no such scheme", "{FOO}" + bare(GOOD), "HASH003"),
    Broken("no {SCHEME} before Argon2", bare(GOOD), "HASH004", also="HASH024"),
)  # fmt: skip


def mended(stored: str, findings: Iterable[Finding]) -> str:
    """What the remedies of the findings make of a stored string."""
    for change in (finding.problem.remedy.store for finding in findings):
        if change is StoreChange.NEW_PASSWORD:
            return GOOD
        if change is StoreChange.MEND:
            again = mended_form(stored.encode(), ANY, Password(SECRET))
            assert again, "the remedy says that the string can be mended"
            stored = again.decode()
    return stored


def expected(fault: Broken, default_scheme: str) -> set[str]:
    codes = {fault.code}
    if fault.also and (default_scheme == "PLAIN" or "always" in fault.also):
        codes.add(fault.also.partition(" ")[0])
    return codes


def all_of(lab: Lab, users: Iterable[str], password: bytes = SECRET) -> dict[str, bool]:
    """A login of each; a failure takes half a second, so they are made side by side."""
    names = list(users)
    with ThreadPoolExecutor(16) as pool:
        return dict(zip(names, pool.map(lambda user: lab.login(user, password).ok, names), strict=True))


def test_each_damage_is_named_and_mended(proof: Make, dovecot_version: str) -> None:
    """In a database, which can hold all of them."""
    tell(proof(dovecot_version, "sqlite", {"alice": GOOD}), FAULTS)


PLAIN = {"2.3": "default_pass_scheme = PLAIN", "2.4": "default_password_scheme = PLAIN"}
FEW = ("Argon2 cut to 64", "a newline at", "quotes around", "{CRYPT} on Argon2", "nothing", "no {SCHEME}")


@pytest.mark.parametrize("store", ["passwd-file", "mysql", "pgsql"])
def test_the_stores_make_no_difference(proof: Make, dovecot_version: str, store: str) -> None:
    tell(
        proof(dovecot_version, store, {"alice": GOOD}),
        [fault for fault in FAULTS if fault.name.startswith(FEW)],
    )


def tell(told: Proof, faults: Iterable[Broken]) -> None:
    """The story of all of them: broken, named, mended, nothing found."""
    lab = told.lab
    inline, default = lab.driver == "passwd-file", told.default_scheme
    marks = ("", lab.dialect, "" if default == "PLAIN" else "hashed")
    rows = {
        f"user{number}": fault
        for number, fault in enumerate(faults)
        if (fault.lines or not inline) and fault.only in marks
    }
    lab.set_users({user: fault.stored for user, fault in rows.items()})
    assert [rows[user].name for user, ok in all_of(lab, rows).items() if ok] == []
    wrong: list[str] = []
    after: dict[str, str] = {}
    for user, fault in rows.items():
        told.user = user
        for password in (None, SECRET):
            diagnosis = told.look(password=password).diagnosis
            codes = {finding.rule.code for finding in diagnosis.findings}
            if codes != expected(fault, default) or diagnosis.undecided:
                undecided = [one.rule.code for one in diagnosis.undecided]
                wrong.append(f"{fault.name}: {codes}, undecided {undecided}")
        after[user] = mended(fault.stored, diagnosis.findings)
        record(lab, fault.name, codes)
    assert wrong == []
    lab.set_users(after)
    logins = all_of(lab, rows)
    assert [rows[user].name for user, ok in logins.items() if not ok] == []
    for user, fault in rows.items():
        told.user = user
        diagnosis = told.look(password=SECRET).diagnosis
        wrong += [f"{fault.name}, mended: {finding.rule.code}" for finding in diagnosis.findings]
    assert wrong == []


NARROW = {
    "mysql": ["SET sql_mode = ''", "ALTER TABLE users MODIFY password VARCHAR(64)"],
    "pgsql": ["ALTER TABLE users ALTER COLUMN password TYPE VARCHAR(64) USING substr(password, 1, 64)"],
    "sqlite": [
        "ALTER TABLE users RENAME TO old",
        "CREATE TABLE users (userid TEXT NOT NULL PRIMARY KEY, password VARCHAR(64) NULL)",
        "INSERT INTO users SELECT userid, substr(password, 1, 64) FROM old",
    ],
}


def execute(lab: Lab, *statements: str) -> None:
    assert isinstance(lab.store, SqlStore)
    lab.store.execute(*statements)


@pytest.mark.parametrize("store", list(NARROW))
@pytest.mark.parametrize("stored", [GOOD, SHA512_CRYPT], ids=["Argon2", "SHA512-CRYPT"])
def test_hash006(proof: Make, dovecot_version: str, store: str, stored: str) -> None:
    """A column of 64 characters cuts what is stored; widened as the remedy says, it takes the new hash."""
    told = proof(dovecot_version, store, {"alice": stored})
    told.finds(set(), password=SECRET)
    execute(told.lab, *NARROW[store])
    assert told.logins() == [False]
    told.finds({"HASH006"})
    found = told.finds({"HASH006"}, password=SECRET)
    statement = re.search(r"ALTER TABLE [^;]*", found[0].problem.remedy.summary)
    assert bool(statement) == (store != "sqlite")
    if statement:
        execute(told.lab, statement[0])
    told.paste(found)
    assert told.logins(2) == [True, True]
    told.finds(set(), password=SECRET)
    record(told.lab, "the column cuts the hash", {"HASH006"})


@pytest.mark.parametrize("store", ["mysql", "pgsql"])
def test_a_wide_column_is_not_blamed(proof: Make, dovecot_version: str, store: str) -> None:
    told = proof(dovecot_version, store, {"alice": GOOD})
    wide = NARROW[store][-1].replace("64", "128")
    execute(told.lab, *NARROW[store][:-1], wide)
    told.lab.set_password("alice", GOOD[:64])
    found = told.finds({"HASH005"})
    assert "128" in found[0].problem.says


@pytest.mark.parametrize(
    "query",
    ["SELECT userid AS user, CONCAT(password, '') AS password FROM users WHERE userid = '{u}'",
     "SELECT u.userid AS user, u.password AS password FROM users u WHERE u.userid = '{u}'",
     "SELECT u.userid AS user, u.password FROM users u NATURAL JOIN users v WHERE u.userid = '{u}'"],
    ids=["expression", "alias", "join"],
)  # fmt: skip
def test_hash006_and_queries_that_are_not_plain(proof: Make, dovecot_version: str, query: str) -> None:
    """Where the column cannot be told from the query the hash is cut off all the same."""
    text = query.replace("{u}", "%u" if dovecot_version < "2.4" else "%{user}")
    told = proof(dovecot_version, "pgsql", {"alice": GOOD}, query=text)
    told.finds(set(), password=SECRET)
    execute(told.lab, *NARROW["pgsql"])
    told.finds({"HASH006"} if "users u WHERE" in query else {"HASH005"}, password=SECRET)


def test_hash007_a_char_column_fills_up_with_blanks(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "pgsql", {"alice": GOOD})
    fault = Fault(
        name="a CHAR column",
        do=lambda lab: execute(lab, "ALTER TABLE users ALTER COLUMN password TYPE CHAR(255)"),
    )

    def undo(lab: Lab) -> None:
        execute(
            lab,
            "ALTER TABLE users ALTER COLUMN password TYPE VARCHAR(255)",
            "UPDATE users SET password = RTRIM(password)",
        )

    told.story(fault, {"HASH007"}, answers=[False], mend=undo)


PADS = "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',PAD_CHAR_TO_FULL_LENGTH')"


def test_a_char_column_of_mariadb(proof: Make, dovecot_version: str) -> None:
    """MariaDB takes the blanks away when it reads, unless it is told not to; BINARY's NULs end the string."""
    told = proof(dovecot_version, "mysql", {"alice": GOOD})
    execute(told.lab, "ALTER TABLE users MODIFY password CHAR(255)")
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
    execute(told.lab, PADS)
    try:
        told.lab.reload()
        assert told.logins() == [False]
        (found,) = told.finds({"HASH007"}, password=SECRET)
        assert found.problem.says.endswith(" blanks.")
        execute(told.lab, "ALTER TABLE users MODIFY password VARCHAR(255)")
        execute(told.lab, "UPDATE users SET password = RTRIM(password)")
        assert told.logins() == [True]
        told.finds(set(), password=SECRET)
    finally:
        execute(told.lab, "SET GLOBAL sql_mode = DEFAULT")
    execute(told.lab, "ALTER TABLE users MODIFY password BINARY(255)")
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
    record(told.lab, "a CHAR column", {"HASH007"})


MD5_CRYPT = made("MD5-CRYPT")


@pytest.mark.dovecot(">= 2.4")
def test_a_blank_after_a_weak_hash(proof: Make, dovecot_version: str) -> None:
    """Two things at once: the first that blocks is named, and after it the next."""
    told = proof(dovecot_version, "sqlite", {"alice": MD5_CRYPT + " "})
    told.finds({"HASH007"}, password=SECRET)
    told.lab.set_password("alice", MD5_CRYPT)
    told.finds({"HASH002"}, password=SECRET)


def test_hash026_is_asked_by_an_audit_only(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    told.finds(set(), password=SECRET)
    target = Target("alice", at_pid(told.lab.master_pid, None), audit=True)
    assert [finding.rule.code for finding in look(target).diagnosis.findings] == ["HASH026"]
    record(told.lab, "", {"HASH026"})
    told.lab.set_password("alice", made("ARGON2ID"))
    assert look(target).diagnosis.findings == ()


def test_hash027(proof: Make, dovecot_version: str) -> None:
    """A bcrypt of cost 16 takes seconds, and works."""
    slow = made("BLF-CRYPT", cost=16)
    told = proof(dovecot_version, "sqlite", {"alice": slow})
    assert told.logins() == [True]
    found = told.finds({"HASH027"})
    told.paste(found)
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)


SM3 = {
    "$sm3$": "{CRYPT}$sm3$rounds=2000$abcdefgh$SNkvoNFJe1e2mlZ.tvlXrmhm.OsxAAo4sxdsg8oscd5",
    "$sm3y$": "{CRYPT}$sm3y$j9T$abcdefgh$Bp9KmMkGYs7hQ5TFDmKVl0qoAvn7/wQNCSIhLAt.eY1",
}


@pytest.mark.parametrize("kind", SM3)
def test_hash022_is_a_matter_of_the_libcrypt_beside_that_dovecot(
    proof: Make, dovecot_version: str, kind: str
) -> None:
    """Of the password "secret", by Debian testing's libxcrypt 4.5; older ones do not know it."""
    told = proof(dovecot_version, "sqlite", {"alice": SM3[kind]})
    works = told.lab.login("alice", b"secret").ok
    for password in (None, b"secret"):
        diagnosis = told.look(password=password).diagnosis
        codes = {finding.rule.code for finding in diagnosis.findings}
        assert codes == (set() if works else {"HASH022"}), (codes, works)
    record(told.lab, f"{kind} and the libcrypt", codes)
