"""nopassword wherever it can stand: a login with a wrong password on a real Dovecot is the judge."""

import re
from collections.abc import Callable

import pytest

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import LookedUp, OpenDoors
from mailauth.evidence.stored import Opens
from mailauth.lab import Lab

HASH = "{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg="  # of "password"
WRONG = b"not the password"
ROW = "FROM users WHERE userid = 'USER'"

# What is tried, with the store, the stored string, and the text of the query or of the passdb block
SQL = {
    "NULL beside it": f"SELECT NULL AS password, 'Y' AS nopassword {ROW}",
    "an empty value": f"SELECT NULL AS password, '' AS nopassword {ROW}",
    "the value N": f"SELECT NULL AS password, 'N' AS nopassword {ROW}",
    "NULL for a value": f"SELECT password, NULL AS nopassword {ROW}",
    "after a hash": f"SELECT password, 'Y' AS nopassword {ROW}",
    "before a hash": f"SELECT 'Y' AS nopassword, password {ROW}",
    "a name without a hash": f"SELECT '{{PLAIN}}' AS password, 'Y' AS nopassword {ROW}",
}
LINES = {
    "alone": ":::::: nopassword",
    "the value n": ":::::: nopassword=n",
    "beside a hash": f"{HASH}:::::: nopassword=y",
    "beside a name without a hash": "{PLAIN}:::::: nopassword",
    "not there": HASH,
}
BLOCKS = {
    "2.3": {
        "static": ("static", "args = nopassword=y"),
        "static, with a password": ("static", "args = nopassword=y password=x"),
        "default_fields": ("passwd-file", "default_fields = nopassword=y"),
        "override_fields": ("passwd-file", "override_fields = nopassword=y"),
        "default_fields of a worker's passdb": ("sqlite", "default_fields = nopassword=y"),
        "override_fields of a worker's passdb": ("sqlite", "override_fields = nopassword=y"),
    },
    "2.4": {
        "static": ("static", "fields {\n  nopassword = no\n}"),
        "static, with a password": ("static", "password = x\nfields {\n  nopassword = yes\n}"),
        "static, with a password alone": ("static", "password = x"),
        "fields": ("passwd-file", "fields {\n  nopassword = yes\n}"),
        "fields of a worker's passdb": ("sqlite", "fields {\n  nopassword = yes\n}"),
        "fields_import_all = no": ("import", "fields_import_all = no"),
    },
}


def agree(lab: Lab) -> bool:
    """Whether a wrong password is let in, which both say."""
    ok = lab.login("alice", WRONG).ok
    seen = look(Target("alice", at_pid(lab.master_pid, None))).diagnosis.evidence
    [lookups] = [fact for fact in seen if isinstance(fact, LookedUp)]
    [doors] = [fact for fact in seen if isinstance(fact, OpenDoors)]
    assert lookups.wrong is not None
    assert (lookups.wrong.lets_in, bool(doors.which(Opens.ANY))) == (ok, ok)
    return ok


@pytest.mark.parametrize("how", SQL)
def test_sql(lab: Callable[..., Lab], dovecot_version: str, how: str) -> None:
    user = "%u" if dovecot_version.startswith("2.3") else "%{user}"
    query = SQL[how].replace("USER", user)
    with lab(dovecot_version, "sqlite", {"alice": HASH}, query=query) as one:
        ok = agree(one)
    assert ok is (how != "NULL for a value" and not (how == "after a hash" and one.dialect == "2.3"))


def test_passwd_file(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "passwd-file") as one:
        said = {}
        for how, stored in LINES.items():
            one.set_password("alice", stored)
            said[how] = agree(one)
    assert said == {
        "alone": True,
        "the value n": True,
        "beside a hash": one.dialect == "2.4",
        "beside a name without a hash": True,
        "not there": False,
    }


@pytest.mark.parametrize("how", [(dialect, name) for dialect, table in BLOCKS.items() for name in table])
def test_blocks(lab: Callable[..., Lab], dovecot_version: str, how: tuple[str, str]) -> None:
    dialect, name = how
    if not dovecot_version.startswith(dialect):
        pytest.skip(f"for Dovecot {dialect}")
    kind, text = BLOCKS[dialect][name]
    stored = f"{HASH}:::::: nopassword" if kind == "import" else HASH
    store = "sqlite" if kind == "sqlite" else "passwd-file"
    with lab(dovecot_version, store, {"alice": stored}, passdb_extra="" if kind == "static" else text) as one:
        if kind == "static":
            head = "passdb {\n  driver = static\n" if dialect == "2.3" else "passdb static {\n"
            config = one.config.read_text()
            config = re.sub(
                r"passdb (passwd-file )?\{.*?\n\}\n", lambda _: f"{head}{text}\n}}\n", config, flags=re.DOTALL
            )
            one.config.write_text(config)
            one.restart()
        agree(one)
