"""vpopmail keeps a hash and the password itself, in two columns of a row; a login is the judge."""

import json
from collections.abc import Callable
from pathlib import Path

from mailauth.hashes import Password, generate
from mailauth.lab.stores import SqlStore
from tests.field.rig import Rig
from tests.field.stacks import SECRET, by_name, files_of
from tests.migrate.test_apply import Store

USERS = ("alice", "bob")
BESIDE = "more columns that may hold passwords ({}): mailauth does not change them"
FAST = ("--rehash", "SHA512-CRYPT")


def test_the_other_column_is_named_and_left(rig: Callable[..., Rig], tmp_path: Path) -> None:
    stack = by_name("vpopmail")
    files, schema = files_of(stack)
    files["dovecot-sql.conf.ext"] = files["dovecot-sql.conf.ext"].replace("pw_passwd AS", "@COLUMN@ AS")
    schema += [
        "ALTER TABLE vpopmail ADD pw_clear_passwd CHAR(16)",
        f"UPDATE vpopmail SET pw_clear_passwd = '{SECRET}'",
    ]
    hashed = generate("MD5-CRYPT", Password.of(SECRET)).partition("}")[2]
    values = {"HASH": hashed, "COLUMN": "pw_passwd"}
    one = Store(lab := rig(stack.dovecot, stack.store, files, schema, values=values), tmp_path / "state")
    store = lab.store
    assert isinstance(store, SqlStore)

    def rows() -> dict[str, tuple[str, ...]]:
        with store._cursor() as cursor:
            cursor.execute("SELECT pw_name, pw_passwd, pw_clear_passwd FROM vpopmail")
            return {name: (first, second) for name, first, second in cursor.fetchall()}

    def lets_in() -> list[bool]:
        names = [f"{name}@example.org" for name in USERS]
        return [lab.login(name, word).ok for name in names for word in (SECRET.encode(), b"wrong")]

    def there_and_back(*rules: str, column: int, beside: str) -> None:
        before = rows()
        plan = json.loads(one.at("plan", *rules, "--json", status=1))
        assert any(BESIDE.format(beside) in found["says"] for found in plan["obstacles"])
        assert lets_in() == [True, False] * 2
        done = json.loads(one.at("apply", *rules, "--apply", "--json"))
        assert done["report"]["written"] == len(USERS)
        for name, now in rows().items():
            assert now[column].startswith("{")
            assert now[1 - column] == before[name][1 - column]
        assert lets_in() == [True, False] * 2
        one.at("undo", done["id"], "--apply")
        assert rows() == before
        assert lets_in() == [True, False] * 2

    there_and_back("--prefix", column=0, beside="pw_clear_passwd")
    lab.edit("dovecot-sql.conf.ext", "pw_passwd AS", "pw_clear_passwd AS")
    lab.edit("dovecot-sql.conf.ext", "default_pass_scheme = CRYPT", "default_pass_scheme = PLAIN")
    lab.reload()
    before = rows()
    assert json.loads(one.at("plan", *FAST, "--json", status=1))["too_long"] == len(USERS)
    one.run("apply", *FAST, "--apply", *one.pid, status=1)
    assert (rows(), lets_in()) == (before, [True, False] * 2)
    lab.sql("ALTER TABLE vpopmail MODIFY pw_clear_passwd CHAR(255)")
    there_and_back(*FAST, column=1, beside="pw_passwd")
