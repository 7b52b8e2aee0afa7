"""The USER rules: a user whom Dovecot does not find, or does not let in though the password is right."""

import os
from collections.abc import Callable

import pytest

from mailauth.finding import Certainty
from mailauth.lab import Lab
from mailauth.lab.stores import share
from mailauth.render.text import finding_text
from tests.proofs.story import Fault, MiB, Proof, argon2id, record
from tests.proofs.test_db import rewrite, settings

Make = Callable[..., Proof]

GOOD = argon2id(memory=1 * MiB)
SQL = pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
ALL = ("passwd-file", "sqlite", "mysql", "pgsql")


def user(version: str) -> str:
    return "%u" if version < "2.4" else "%{user}"


def query(version: str, fields: str = "", where: str = "") -> str:
    """A password query with more fields, and more conditions."""
    return f"SELECT userid AS user, password{fields} FROM users WHERE userid = '{user(version)}'{where}"


def with_passdbs(lab: Lab, before: str = "", after: str = "") -> None:
    """More passdbs, before the lab's own and after it."""
    text = lab.config.read_text()
    at = text.index("passdb ")
    lab.config.write_text(text[:at] + before + text[at:])
    lab.configure(after)


def passwd_file(lab: Lab, name: str, lines: str, **more: str) -> str:
    """A passdb block with a passwd-file of its own; ``more`` are its settings."""
    path = lab.folder / name
    path.write_text(lines)
    share(path, lab.build.group("dovecot") if os.geteuid() == 0 else None)
    extra = "".join(f"  {key} = {text}\n" for key, text in more.items())
    if lab.dialect == "2.3":
        return f"passdb {{\n  driver = passwd-file\n  args = {path}\n{extra}}}\n"
    return f"passdb {name} {{\n  driver = passwd-file\n  passwd_file_path = {path}\n{extra}}}\n"


# USER004: another spelling


@pytest.mark.parametrize("kind", ["passwd-file", "sqlite", "pgsql"])
def test_user004_case(proof: Make, dovecot_version: str, kind: str) -> None:
    """Stored with a capital, looked up without: MariaDB alone does not mind."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    told.user = "Alice"
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    told.lab.set_users({"Alice": GOOD})
    assert told.logins() == [False]
    found = told.finds({"USER004"}, password=told.password)
    assert found[0].problem.certainty is Certainty.PROVEN
    assert "has 'Alice'" in found[0].problem.says
    told.paste(found)
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)
    record(told.lab, "name stored with a capital", ["USER004"])


@pytest.mark.core
@pytest.mark.parametrize("kind", ["passwd-file", "pgsql"])
def test_user004_another_case_than_given(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="name stored in other case",
        do=lambda lab: lab.set_users({"aLICE": GOOD}),
        undo=lambda lab: lab.set_users({"alice": GOOD}),
    )
    found = told.story(fault, {"USER004"}, answers=[False])
    assert "has 'aLICE'" in found[0].problem.says


@pytest.mark.parametrize(
    ("kind", "stored"), [("pgsql", "alice "), ("sqlite", "alice\r"), ("mysql", " alice")], ids=repr
)
def test_user004_blanks_around(proof: Make, dovecot_version: str, kind: str, stored: str) -> None:
    """What an import leaves around the name."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="name stored with blanks around it",
        do=lambda lab: lab.set_users({stored: GOOD}),
        undo=lambda lab: lab.set_users({"alice": GOOD}),
    )
    (found,) = told.story(fault, {"USER004"}, answers=[False])
    assert "with blanks or an end of line around it" in found.problem.says


@pytest.mark.parametrize("kind", ["passwd-file", "mysql"])
def test_user004_with_a_domain(proof: Make, dovecot_version: str, kind: str) -> None:
    """The client sends no domain, the store has one."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(name="name stored with a domain", do=lambda lab: lab.set_users({"alice@example.org": GOOD}))
    found = told.story(fault, {"USER004"}, answers=[False])
    assert "alice@example.org" in found[0].problem.says


@pytest.mark.parametrize("kind", ["passwd-file", "pgsql"])
def test_user004_without_a_domain(proof: Make, dovecot_version: str, kind: str) -> None:
    """The store has no domains, and Dovecot is made to add one."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    name = "auth_default_realm" if dovecot_version < "2.4" else "auth_default_domain"
    fault = Fault(name="domain added before the lookup", settings=f"{name} = example.org\n")
    told.story(fault, {"USER004"}, answers=[False])


@pytest.mark.parametrize("kind", ["passwd-file", "sqlite"])
def test_user004_another_domain(proof: Make, dovecot_version: str, kind: str) -> None:
    """The domain that Dovecot adds is not the one that the store has."""
    name = "auth_default_realm" if dovecot_version < "2.4" else "auth_default_domain"
    right = f"{name} = example.org\n"
    told = proof(dovecot_version, kind, {"alice@example.org": GOOD}, settings=right)
    fault = Fault(name="another domain added", settings=f"{name} = example.com\n")
    told.story(fault, {"USER004"}, answers=[False])


# USER009 to USER012: what other passdbs have to say


@pytest.mark.parametrize("kind", ["passwd-file", "pgsql"])
def test_user009(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    with_passdbs(told.lab, before=passwd_file(told.lab, "denied", "bob:\n", deny="yes"))
    told.lab.reload()
    denied = told.lab.folder / "denied"

    def have(lines: str) -> Callable[[Lab], None]:
        def write(lab: Lab) -> None:
            denied.write_text(lines)
            lab.reload()

        return write

    fault = Fault(name="deny passdb", do=have("bob:\nalice:\n"), undo=have("bob:\n"))
    found = told.story(fault, {"USER009"}, answers=[False])
    assert f"{denied}:2" in found[0].problem.says


def master(lab: Lab, **more: str) -> str:
    return passwd_file(lab, "masters", f"root:{argon2id(b'master', memory=1 * MiB)}\n", master="yes", **more)


@pytest.mark.parametrize("kind", ["passwd-file", "mysql"])
def test_user010_no_separator(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    separator = "auth_master_user_separator = *\n"
    masters = master(told.lab)
    with_passdbs(told.lab, before=masters, after=separator)
    told.lab.reload()
    told.user, told.password = "alice*root", b"master"
    fault = Fault(name="no auth_master_user_separator", settings="")
    told.story(fault, {"USER010"}, answers=[False])


@pytest.mark.parametrize("onwards", [False, True], ids=["returns", "goes on"])
def test_user010_a_user_is_missing(proof: Make, dovecot_version: str, onwards: bool) -> None:
    """The master user, and where a master passdb goes on, the user asked for."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    more = (
        {} if not onwards else {"pass": "yes"} if dovecot_version < "2.4" else {"result_success": "continue"}
    )
    with_passdbs(told.lab, before=master(told.lab, **more), after="auth_master_user_separator = *\n")
    told.lab.reload()
    told.password = b"master"
    for name, finds in (
        ("alice*root", set()),
        ("alice*toor", {"USER010"}),
        ("nobody*root", {"USER010"} if onwards else set()),
    ):
        told.user = name
        assert told.logins() == [not finds]
        told.finds(finds)
        told.finds(finds, password=told.password)
    told.user = "alice*root"
    told.password = b"wrong"
    assert told.logins() == [False]
    told.finds({"PASS001"}, password=told.password)
    record(told.lab, "master user or his target missing", ["USER010"])


def test_user010_no_master_passdb(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, settings="auth_master_user_separator = *\n")
    told.user = "alice*root"
    assert told.logins() == [False]
    told.finds({"USER010"}, password=told.password)


@pytest.mark.parametrize("kind", ["sqlite", "pgsql"])
def test_user011(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="user changed to an empty name",
        do=rewrite("SELECT userid AS user,", "SELECT '' AS user,"),
        undo=settings("SELECT '' AS user,", "SELECT userid AS user,"),
    )
    told.story(fault, {"USER011"}, answers=[False])


@pytest.mark.parametrize(
    "more",
    [{"result_failure": "return-fail"}, {"result_failure": "return"}],
    ids=lambda more: next(iter(more.values())),
)
def test_user012_stopped_before(proof: Make, dovecot_version: str, more: dict[str, str]) -> None:
    """The passdb before ends the search."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    with_passdbs(told.lab, before=passwd_file(told.lab, "first", f"bob:{GOOD}\n", **more))
    told.lab.reload()
    assert told.logins() == [False]
    found = told.finds({"USER012"}, password=told.password)
    assert "passdb 2 (sqlite) has the user" in found[0].problem.says
    told.user = "bob"
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    record(told.lab, "an earlier passdb ends the search", ["USER012"])


@pytest.mark.parametrize(
    ("more", "lets_in"),
    [
        ({"result_success": "return-fail"}, False),
        ({"result_success": "return"}, False),
        ({"result_success": "return-ok"}, True),
        ({"username_filter": "b*"}, False),
        ({"username_filter": "a* b*"}, True),
        ({"username_filter": "!alice"}, False),
        ({"username_filter": "!bob"}, True),
        ({"mechanisms": "cram-md5"}, False),
        ({"mechanisms": "plain"}, True),
        ({"skip": "authenticated"}, True),
    ],
)
def test_user012_its_own_settings(
    proof: Make, dovecot_version: str, more: dict[str, str], lets_in: bool
) -> None:
    told = proof(dovecot_version, "passwd-file", {"bob": GOOD})
    named = more
    if "mechanisms" in more and dovecot_version >= "2.4":
        named = {"mechanisms_filter": more["mechanisms"]}
    with_passdbs(told.lab, before=passwd_file(told.lab, "first", f"alice:{GOOD}\n", **named))
    told.lab.reload()
    assert told.logins() == [lets_in]
    told.finds(set() if lets_in else {"USER012"}, password=told.password)


def test_user012_fail(proof: Make, dovecot_version: str) -> None:
    """The field fail in the entry."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    fault = Fault(users={"alice": f"{GOOD}::::::fail=y"}, name="the field fail")
    told.story(fault, {"USER012"}, answers=[False], mend=lambda lab: lab.set_password("alice", GOOD))


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [
        ({"result_success": "continue-ok"}, {}, True),
        ({"result_success": "continue"}, {"skip": "unauthenticated"}, True),
        ({"result_failure": "continue-fail"}, {}, True),
        ({"result_success": "continue-fail"}, {"result_success": "return"}, False),
    ],
)
def test_two_passdbs_followed(
    proof: Make, dovecot_version: str, first: dict[str, str], second: dict[str, str], right: bool
) -> None:
    """Whatever the rules say, mailauth comes to what Dovecot comes to, by right and by wrong passwords."""
    told = proof(dovecot_version, "passwd-file", {"zoe": GOOD})
    before = passwd_file(told.lab, "one", f"alice:{GOOD}\n", **first)
    before += passwd_file(told.lab, "two", f"alice:{GOOD}\n", **second)
    with_passdbs(told.lab, before=before)
    told.lab.reload()
    assert told.logins() == [right]
    told.finds(set() if right else {"USER012"}, password=told.password)
    told.password = b"wrong"
    assert told.logins() == [False]
    assert {f.rule.code for f in told.look(password=b"wrong").diagnosis.findings} >= {"PASS001"}


def test_the_address_in_the_query(proof: Make, dovecot_version: str) -> None:
    """A query that asks for the client's address is asked with the one named, else with each that matters."""
    rip = "%r" if dovecot_version < "2.4" else "%{remote_ip}"
    told = proof(
        dovecot_version,
        "sqlite",
        {"alice": GOOD},
        query=query(dovecot_version, "", f" AND '{rip}' <> '192.0.2.7'"),
    )
    told.address = "10.1.2.3"
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    told.address = "192.0.2.7"
    assert told.logins() == [False]
    (found,) = told.finds({"USER007"}, password=told.password)
    assert f"'{rip}' <> '192.0.2.7'" in found.problem.says
    told.address = ""
    (found,) = told.finds({"USER015"}, password=told.password)
    assert "192.0.2.7" in found.problem.says


MISREAD: dict[str, tuple[bytes, str]] = {
    "a byte order mark": (b"\xef\xbb\xbfalice:%b\n", r"its name is '\ufeffalice'"),
    "a blank before the name": (b"# users\n alice:%b\n", "its name is ' alice'"),
    "a tab after the name": (b"alice\t:%b\n", r"its name is 'alice\t'"),
    "a quoted line": (b'bob:x\n"alice:%b"\n', "its name is '\"alice'"),
    "a tab for the colon": (b"alice\t%b\n", r"'\t' follows the name, where a colon must"),
    "CSV": (b"alice,%b\n", "',' follows the name, where a colon must"),
    "a comment": (b"#alice:%b\n", "the line is a comment"),
    "lines that end in CR": (b"bob:x\ralice:%b\r", "the line before it ends in CR alone"),
}


def test_user013(proof: Make, dovecot_version: str) -> None:
    """Lines that an editor, a spreadsheet or a person wrote, and that Dovecot reads in another way."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    path = told.lab.store.path
    assert path
    good = path.read_bytes()
    files = {name: (line % GOOD.encode(), says) for name, (line, says) in MISREAD.items()}
    files["UTF-16"] = (f"alice:{GOOD}\n".encode("utf-16"), "the file is in UTF-16")
    for name, (content, says) in files.items():
        path.write_bytes(content)
        told.lab.reload()
        if name in ("a byte order mark", "UTF-16"):  # a login that fails takes half a second
            assert told.logins() == [False]
        (found,) = told.finds({"USER013"}, password=told.password)
        assert says in found.problem.says
        if name == "a blank before the name":  # at whatever width it is wrapped
            assert all("' alice'" in finding_text(found, "2.3", width=width) for width in range(60, 120))
        record(told.lab, f"passwd-file with {name}", {"USER013"})
    path.write_bytes(good)
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


def test_a_name_that_stands_twice_in_the_file(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    path = told.lab.store.path
    assert path
    path.write_text(f"alice:{argon2id(b'the old one', memory=MiB)}\nbob:x\nalice:{GOOD}\n")
    told.lab.reload()
    assert told.logins() == [False]
    (found,) = told.finds({"PASS001"}, password=told.password)
    assert f"once more after {path}:1 (line 3)" in found.problem.says
