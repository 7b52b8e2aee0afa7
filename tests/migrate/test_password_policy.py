"""slapd's ppolicy takes an exchanged string for a new password: what that would undo is said, or left."""

import json
from collections.abc import Callable
from pathlib import Path

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE, SUFFIX
from mailauth.migrate import where
from mailauth.migrate.where import Bind
from mailauth.stores.swaps import Table
from tests.migrate.test_directory import Commands, again, commands, entry, held, keys, slapd, swaps
from tests.stores.apart import apart

MakeLab = Callable[..., Lab]
POLICY = f"cn=policy,{SUFFIX}"
ROOT = Bind(f"cn=manager,{SUFFIX}", Password(b"of the root"))
OVERLAY = f'moduleload ppolicy\noverlay ppolicy\nppolicy_default "{POLICY}"\nrootpw "of the root"\n'


def has_policy(lab: Lab, **settings: str) -> None:
    slapd(lab).remove([POLICY])
    own = {name: [value] for name, value in settings.items()}
    policy = {"objectClass": ["device", "pwdPolicy"], "cn": ["policy"], "pwdAttribute": ["userPassword"]}
    slapd(lab).add({POLICY: policy | own})


def table(one: Commands) -> Table:
    dovecot = at_pid(one.lab.master_pid, None)
    return where.opened(where.of_passdb(dovecot, read_config(dovecot), None, None, None, ROOT))


def obstacles(one: Commands) -> list[tuple[str, bool]]:
    return [(found.says, found.stops) for found in table(one).obstacles()]


@apart
def test_who_is_locked_or_must_change_the_password_is_left(
    lab: MakeLab, tmp_path: Path, dovecot_version: str
) -> None:
    with commands(lab, tmp_path, dovecot_version) as one:
        names = {user: f"uid={user},{PEOPLE}" for user in ("plain", "locked", "reset")}
        slapd(one.lab).add({name: entry(user, "{SSHA}" + "A" * 32) for user, name in names.items()})
        again(one.lab, OVERLAY)
        has_policy(one.lab)
        slapd(one.lab).change(names["locked"], {"pwdAccountLockedTime": "000001010000Z"})
        slapd(one.lab).change(names["reset"], {"pwdReset": "TRUE"})
        [_, new] = obstacles(one)
        assert "an expired password is valid again" in new[0]
        assert not any(stops for _, stops in obstacles(one))
        before, found = held(one.lab), table(one)
        rows = {row.user: row for row in found.page(None, 100)}
        done = found.swap(swaps(rows.values()))
        assert done.written == keys([rows["plain"]])
        assert dict(done.left).keys() == keys([rows["locked"], rows["reset"]])
        assert {why.partition(" (")[0] for _, why in done.left} == {
            "it is locked",
            "its password must be changed at the next bind",
        }
        now = held(one.lab)
        assert [name for name in now if now[name] != before[name]] == [names["plain"]]
        has_policy(one.lab, pwdMustChange="TRUE", pwdInHistory="3")
        told = dict(obstacles(one))
        assert [says.partition(" in ")[0] for says, stops in told.items() if stops] == ["pwdMustChange"]
        assert any(says.startswith(f"pwdInHistory in {POLICY}") for says in told)
        said = json.loads(one.run("plan", "--prefix", "--json", status=1))
        assert any("the database's rootdn alone may" in each["says"] for each in said["obstacles"])
