"""Several rules on one row, and the scheme that counts written down before the setting is changed."""

import json
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, Store, migrated

__all__ = ["migrated"]
COUNT = 6
SQL_23, SQL_24 = ("2.3.19.1", "mysql"), ("2.4.1", "pgsql")
SETTINGS = {
    SQL_23: ("default_pass_scheme = {}", "dovecot-sql.conf.ext"),
    SQL_24: ("default_password_scheme = {}", "dovecot.conf"),
}


def bare(number: int, scheme: str) -> str:
    return generate(scheme, Password(secret(number))).partition("}")[2]


def lines(one: Store, *words: str, status: int = 1) -> dict[str, int]:
    plan = json.loads(one.at("plan", *words, "--json", status=status))
    return {line["action"]: line["rows"] for line in plan["lines"]}


def test_a_line_end_and_no_prefix_are_mended_in_one_run(migrated: Make) -> None:
    """Refused before, since neither half of it makes a hash that Dovecot takes."""
    users: dict[str, str | None] = {f"u{n}": f"{bare(n, 'MD5-CRYPT')}\r\n" for n in range(COUNT)}
    users["text"] = " secret "
    one = migrated("2.3.19.1", "sqlite", users, sql_extra="default_pass_scheme = PLAIN")
    assert lines(one, "--trim", "--prefix") == {"trim+prefix": COUNT, "": 1}
    assert lines(one, "--prefix") == {"": 1}
    done = json.loads(one.at("apply", "--trim", "--prefix", "--apply", "--json"))
    assert done["report"]["written"] == COUNT
    assert one.logins(COUNT) == [True] * COUNT
    assert one.lab.store.users()["text"] == " secret "
    one.at("undo", done["id"], "--apply")
    assert one.lab.store.users() == users


@pytest.mark.parametrize(("version", "store", "old"), [(*SQL_23, "SSHA"), (*SQL_24, "PLAIN-MD5")])
def test_the_default_scheme_is_changed_and_everybody_gets_in(
    migrated: Make, version: str, store: str, old: str
) -> None:
    """A login with each is the judge before, between and after, and without the rule nobody gets in."""
    setting, file = SETTINGS[version, store]
    users: dict[str, str | None] = {f"u{n}": bare(n, old) for n in range(COUNT)}
    weak = {"passdb_extra": ""} if version < "2.4" else {"settings": "auth_allow_weak_schemes = yes\n"}
    one = migrated(version, store, users, sql_extra=setting.format(old), **weak)
    assert one.logins(COUNT) == [True] * COUNT
    done = json.loads(one.at("apply", "--prefix-default", "--apply", "--json"))
    assert done["report"]["written"] == COUNT
    assert one.logins(COUNT) == [True] * COUNT
    assert lines(one, "--prefix-default", status=0) == {"": COUNT}
    path = Path(one.lab.folder) / file
    path.write_text(path.read_text().replace(setting.format(old), setting.format("SSHA256")))
    one.lab.reload()
    assert one.logins(COUNT) == [True] * COUNT
    kept = one.lab.store.users()
    one.at("undo", done["id"], status=1)
    one.at("undo", done["id"], "--apply", status=1)
    assert one.lab.store.users() == kept  # nobody would get in with them
    assert one.logins(COUNT) == [True] * COUNT
    path.write_text(path.read_text().replace(setting.format("SSHA256"), setting.format(old)))
    one.lab.reload()
    one.at("undo", done["id"], "--apply")
    assert one.lab.store.users() == users
    assert one.logins(COUNT) == [True] * COUNT


def test_what_may_be_a_hash_gets_no_plain_before_it(migrated: Make) -> None:
    doubtful = {"hex": "5f4dcc3b5aa765d61d8327deb882cf99", "phpass": "$P$984478476IagS59wHZvyQMArzfx58u."}
    users: dict[str, str | None] = {"u0": secret(0).decode(), **doubtful}
    one = migrated("2.3.19.1", "sqlite", users, sql_extra="default_pass_scheme = PLAIN")
    one.at("apply", "--prefix-default", "--apply", status=1)
    after = one.lab.store.users()
    assert after["u0"] == "{PLAIN}" + secret(0).decode()
    assert {name: after[name] for name in doubtful} == doubtful
