"""``hash convert --to``: each target's own verifier takes what is made for it, with its password only."""

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from mailauth.hashes import SCHEMES, Password, Verdict, generate, verify
from mailauth.hashes.foreign import convert
from mailauth.hashes.passport import issue
from mailauth.hashes.passport_parts import KINDS
from mailauth.hashes.passport_targets import TARGETS
from mailauth.lab.databases import Server
from tests.hashes import passport_verifiers as by
from tests.hashes.test_hash_command import checked, run

SECRET, WRONG = "grün s3cret", "grun s3cret"
_CHEAP: dict[str, dict[str, int]] = {
    "ARGON2ID": {"memory": 8192, "time": 1, "lanes": 2},
    "ARGON2I": {"memory": 8192, "time": 3},
    "ARGON2": {"memory": 8192, "time": 1},
    "BLF-CRYPT": {"cost": 4},
    "CRYPT": {"cost": 4},
    "SHA256-CRYPT": {"rounds": 1000},
    "SHA512-CRYPT": {"rounds": 1000},
    "PBKDF2": {"rounds": 1000},
    "SCRAM-SHA-1": {"rounds": 4096},
    "SCRAM-SHA-256": {"rounds": 4096},
}
_SETTINGS = (
    *("$2a$04$abcdefghijklmnopqrstuu", "$2b$04$abcdefghijklmnopqrstuu", "$2x$04$abcdefghijklmnopqrstuu"),
    *("$y$j75$abcdefghij", "$gy$j75$abcdefghij", "$7$86..../....abcdefghij", "$sha1$1000$abcdefgh$"),
    *("$md5$abcdefgh$", "$1$abcd$", "$3$", "_/...yaiu", "ab", "$5$abcdefgh$", "$6$abcdefgh$"),
)


@cache
def strings() -> tuple[str, ...]:
    """One or more of each kind, made cheaply; what stores the password is not among them."""
    password = Password.of(SECRET)
    made = [
        generate(one.name, password, user="alice@example.org", **_CHEAP.get(one.name, {}))
        for one in SCHEMES
        if not one.stores_password
    ]
    made += ["{CRYPT}" + one for one in by.crypt3([(setting, SECRET) for setting in _SETTINGS])]
    made.append(
        "{SMD5}"
        + base64.b64encode(
            hashlib.md5(f"{SECRET}salt".encode(), usedforsecurity=False).digest() + b"salt"
        ).decode()
    )
    return tuple(made)


def scheme_of(stored: str) -> str:
    return stored[1:].partition("}")[0].partition(".")[0]


def made_for(target: str) -> list[tuple[str, str]]:
    """Dovecot's string and that of the target, where there is one."""
    found = [(stored, issue(stored, target)) for stored in strings()]
    assert all(one.stored or one.reason for _, one in found)
    return [(stored, one.stored.decode()) for stored, one in found if one.stored is not None]


def accepted(target: str, verifier: Callable[[by.Pairs], list[bool]]) -> None:
    """Each with the password and with another; and what is made again of the password itself."""
    made = [one for one in made_for(target) if target != "kanidm" or "$3$" not in one[0]]
    anew = issue("{PLAIN}" + SECRET, target).stored
    assert anew is not None
    right = [(stored, SECRET) for _, stored in made]
    answers = verifier([*right, *((stored, WRONG) for stored, _ in right), (anew.decode(), SECRET)])
    from_dovecot = [stored for stored, _ in made]
    expected = [True] * len(right) + [False] * len(right)
    assert list(zip(from_dovecot * 2, answers[:-1], strict=True)) == list(
        zip(from_dovecot * 2, expected, strict=True)
    )
    assert answers[-1], "hashed again"


@pytest.mark.parametrize(
    ("target", "one"),
    [
        ("389ds", by.ds389),
        ("cyrus-sasl", by.cyrus_sasl),
        ("kanidm", by.kanidm),
        ("keycloak", by.keycloak),
        ("stalwart", by.stalwart),
        ("zitadel", by.zitadel),
    ],
)
def test_by_the_documented_algorithm(target: str, one: Callable[[str, str], bool]) -> None:
    accepted(target, by.each(one))


@pytest.mark.parametrize(
    ("target", "verifier"),
    [("authentik", by.authentik), ("django", by.django), ("php", by.php), ("shadow", by.shadow)],
)
def test_by_the_target_itself(target: str, verifier: Callable[[by.Pairs], list[bool]]) -> None:
    accepted(target, verifier)


def test_an_nt_hash_is_one_there_where_the_password_is_ascii() -> None:
    """crypt(3) takes each byte for a character, Windows and Kanidm each character."""
    for password, same in (("s3cret", True), ("grün", False)):
        [made] = by.crypt3([("$3$", password)])
        found = issue("{CRYPT}" + made, "kanidm")
        assert found.stored is not None
        assert by.kanidm(found.stored.decode(), password) is same
        assert "not ASCII" in found.reason
        assert "not ASCII" in convert(found.stored).reason


def test_by_apaches_htpasswd(tmp_path: Path) -> None:
    accepted("htpasswd", lambda pairs: by.htpasswd(pairs, tmp_path))


def test_by_a_real_slapd(tmp_path: Path) -> None:
    accepted("openldap", lambda pairs: by.openldap(pairs, tmp_path))


def test_by_a_real_postgresql(postgres: Server) -> None:
    accepted("postgresql", lambda pairs: by.postgresql(pairs, postgres))


_TAKEN = {
    "389ds": 29, "authentik": 3, "cyrus-sasl": 2, "django": 7, "htpasswd": 20, "kanidm": 16, "keycloak": 3,
    "openldap": 31, "php": 16, "postgresql": 1, "shadow": 19, "stalwart": 24, "zitadel": 16,
}  # fmt: skip


def test_every_target_takes_what_it_should() -> None:
    """What was tried above is not less than what is said to be taken; a scheme of several names is one."""
    again = {one.name for one in SCHEMES if one.name != min((one.name, *one.aliases))}
    taken = {name: sum(scheme_of(stored) not in again for stored, _ in made_for(name)) for name in TARGETS}
    assert taken == _TAKEN
    assert {kind for one in TARGETS.values() for kind in one.forms} <= set(KINDS)


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_made_comes_back(target: str) -> None:
    for stored, made in made_for(target):
        found = convert(made, password=Password.of(SECRET), user="alice@example.org")
        assert found.dovecot is not None, (stored, found.reason)
        assert verify(found.dovecot, Password.of(SECRET)).verdict is Verdict.MATCH


SSHA = (
    "{SSHA}"
    + base64.b64encode(hashlib.sha1(b"s3cretsalt", usedforsecurity=False).digest() + b"salt").decode()
)
ARGON2 = generate("ARGON2ID", Password.of("s3cret"), memory=8192, time=1)


CANNOT = [
    (SSHA, "keycloak", "no salted SHA-1 there, only Argon2id, Argon2i, PBKDF2 with SHA-1"),
    (SSHA, "django", "Django puts the salt before the password"),
    ("{CRYPT}ab", "php", "Dovecot does not take it"),
    ("{CRYPT}$1$a$" + "b" * 21, "php", "Dovecot does not take it"),
    ("pbkdf2_sha256$1$a$b", "keycloak", "go without --to first"),
    (generate("SCRAM-SHA-1", Password.of("x"), rounds=4096), "postgresql", "cannot be computed back"),
    (generate("PBKDF2", Password.of("x"), rounds=999), "zitadel", "999 rounds, where 1000 to 10000000"),
    (
        generate("ARGON2ID", Password.of("x"), memory=1024, time=1),
        "zitadel",
        "m=1024,t=1,p=1: ZITADEL takes",
    ),
    ("{PBKDF2}$1$short$10$" + "0" * 40, "openldap", "its salt has 5 bytes, where 16 are taken"),
    ("{PBKDF2}$1$$10$" + "0" * 40, "django", "wants one round or more, and a salt of text"),
    ("{MD5-CRYPT}$1$a!$" + "." * 22, "shadow", "a salt that crypt(3) refuses"),
    ("{CRYPT}ab" + "." * 22, "php", "its salt is none, longer than usual"),
    ("{PLAIN-TRUNC}3-abc", "shadow", "the rest of the password is not stored"),
]


# Named by what is said: a salt is another one in each process.
@pytest.mark.parametrize(("stored", "target", "says"), CANNOT, ids=[says for *_, says in CANNOT])
def test_what_cannot_be_converted_is_said_in_words(stored: str, target: str, says: str) -> None:
    found = issue(stored, target)
    assert found.stored is None
    assert says in found.reason
    assert repr(stored.partition("}")[2][1:]) not in repr(found)


def test_with_the_password_what_has_no_form_is_hashed_again() -> None:
    found = issue(SSHA, "htpasswd", password=Password.of("s3cret"))
    assert found.stored is not None
    assert found.stored.startswith(b"$2y$12$")
    assert found.reason.startswith("hashed again from the password ({BLF-CRYPT}$2y$12$...)")
    assert issue(SSHA, "htpasswd", password=Password.of("other")).stored is None
    assert issue(SSHA, "openldap", password=Password.of("s3cret")).stored == SSHA.encode()


def test_the_command_prints_the_string_alone_and_the_rest_beside() -> None:
    ran = run("convert", ARGON2, "--to", "OpenLDAP")
    assert ran.stdout.decode() == ARGON2.replace("{ARGON2ID}", "{ARGON2}") + "\n"
    assert ran.stderr == b"{ARGON2ID}$argon2id$v=19$m=8192,t=1,p=1$...: needs the module argon2\n"
    ran = run("convert", SSHA, "--to", "php")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.startswith(b"{SSHA}...: cannot, because PHP's password_verify(): no salted SHA-1 there")
    ran = run("convert", SSHA, "--to", "php", "--stdin", given=b"cAnArY-7391")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert b"cAnArY" not in ran.stderr


def test_json_and_batches_keep_to_their_schema() -> None:
    record = checked("convert", run("convert", ARGON2, "--to", "stalwart", "--json").stdout)
    assert record == {
        "reason": "",
        "source": "{ARGON2ID}$argon2id$v=19$m=8192,t=1,p=1$...",
        "stored": ARGON2.removeprefix("{ARGON2ID}"),
        "target": "stalwart",
    }
    lines = [{"stored": ARGON2}, {"stored": SSHA}, {"stored": SSHA, "password": "s3cret"}, {}]
    given = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    ran = run("convert", "--to", "stalwart", "--batch", "-", "--jobs", "1", given=given)
    told = [checked("convert", line) for line in ran.stdout.splitlines()]
    assert [one.get("stored", one.get("error")) for one in told] == [
        record["stored"],
        SSHA,
        SSHA,
        "no stored",
    ]


BCRYPT = generate("BLF-CRYPT", Password.of("s3cret"), cost=4)
_DJANGO = (
    "pbkdf2_sha1$1000$salt$"
    + base64.b64encode(hashlib.pbkdf2_hmac("sha1", b"s3cret", b"salt", 1000)).decode()
)


@pytest.mark.parametrize(
    ("words", "given", "rows"),
    [
        (  # a string with commas, in quotes and not
            ("--to", "openldap"),
            f'alice,{ARGON2}\nbob,"{ARGON2}"\n\nonly\ncarol,{SSHA}\n',
            [("alice", "{ARGON2}", ""), ("bob", "{ARGON2}", ""), ("", "", "line 4"), ("carol", "{SSHA}", "")],
        ),
        (  # columns by name, among others
            ("--to", "keycloak"),
            f'\ufeffdomain;Password;user\nx;"{ARGON2}";alice\nx;{SSHA};bob\nx;y\n',
            [
                ("alice", '{"type":"password"', ""),
                ("bob", "", "cannot, because"),
                ("", "", "line 4: wants a user"),
            ],
        ),
        (  # a passwd-file
            ("--to", "php", "--default-scheme", "CRYPT"),
            f"# users\nalice:{BCRYPT}:::\nbob:abNANd1rDfiNc\n",
            [("alice", "$2y$04$", ""), ("bob", "abNANd1rDfiNc", "")],
        ),
        (
            (),
            f"alice\t{_DJANGO}\nbob\tnothing\n",
            [("alice", "{PBKDF2}$1$salt$1000$", ""), ("bob", "", "no format")],
        ),
    ],
)
def test_many_at_once_as_csv(words: tuple[str, ...], given: str, rows: list[tuple[str, str, str]]) -> None:
    ran = run("convert", *words, "--csv", "-", "--jobs", "1", given=given.encode())
    assert ran.returncode == 0, ran.stderr
    told = list(csv.DictReader(io.StringIO(ran.stdout.decode())))
    assert len(told) == len(rows)
    for row, (user, begins, error) in zip(told, rows, strict=True):
        assert list(row) == ["user", "stored", "note", "error"]
        assert row["user"] == user
        assert row["stored"].startswith(begins)
        assert bool(row["stored"]) == bool(begins)
        assert error in row["error"]
        assert bool(error) == bool(row["error"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--to", "keycloack"), b"There is no target 'keycloack'; there are 389ds, authentik"),
        (("--to", "php", "--from", "md5"), b"--to takes Dovecot's strings"),
        (("--csv", "-"), b"in one way only"),
    ],
)
def test_wrong_usage_is_one_sentence(words: tuple[str, ...], says: bytes) -> None:
    ran = run("convert", SSHA, *words)
    assert ran.returncode == 2
    assert says in ran.stderr


def test_targets_are_listed_and_completed() -> None:
    listed = run("convert", "--to", "list").stdout.decode().splitlines()
    assert [line.split()[0] for line in listed] == list(TARGETS)
    asked = {
        "_MAILAUTH_COMPLETE": "bash_complete",
        "COMP_WORDS": "mailauth hash convert --to k",
        "COMP_CWORD": "4",
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / "mailauth")],
        env={**os.environ, **asked},
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"plain,kanidm\nplain,keycloak\n"
