"""A directory's entries made into modifications: real slapd, ldapmodify, and logins by an LDAP passdb."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.field.chains import ldap, server
from tests.field.directory import ADMIN, SECRET, SUFFIX, Directory
from tests.field.rig import Rig
from tests.migrate.conftest import secret

COUNT = 4


def directory_said(
    directory: Directory, program: str, *words: str, feed: str = ""
) -> subprocess.CompletedProcess[str]:
    argv = [program, "-x", "-H", directory.uri, "-D", ADMIN, "-w", SECRET, *words]
    return subprocess.run(argv, input=feed, capture_output=True, text=True, check=False)


def test_modifications_are_made_only_where_the_old_value_still_is(
    rig: Callable[..., Rig], tmp_path: Path
) -> None:
    """Mislabelled hashes: nobody gets in, then all but the one who was changed meanwhile; and back."""
    users = {
        f"u{n}": "{MD5}" + generate("BLF-CRYPT", Password(secret(n)), cost=4).removeprefix("{BLF-CRYPT}")
        for n in range(COUNT)
    }
    with Directory(tmp_path / "ldap", users) as directory:
        one = server(rig, "2.3.19.1", ldap(directory, bind=False))
        assert not any(one.login(f"u{n}", secret(n)).ok for n in range(COUNT))
        listed = ("-LLL", "-b", SUFFIX, "(uid=*)")
        before = directory_said(directory, "ldapsearch", *listed).stdout
        (tmp_path / "in.ldif").write_text(before)
        words = ("migrate", "ldif", str(tmp_path / "in.ldif"), "--relabel", "--dovecot", "2.3.19.1")
        counted = mailauth(*words)
        assert counted.returncode == 1, counted.stderr
        assert f"relabel  {COUNT:>9}" in counted.stdout
        files = ("--out", str(tmp_path / "out.ldif"), "--undo-out", str(tmp_path / "undo.ldif"))
        listed_in = tmp_path / "listed.json"
        done = mailauth(*words, *files, "--users-out", str(listed_in))
        assert (done.returncode, "--users-out" in done.stdout) == (1, False)
        assert {row["user"]: row["what"] for row in json.loads(listed_in.read_text())} == dict.fromkeys(
            users, "relabel"
        )
        assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("out.ldif", "undo.ldif")} == {0o600}
        changed = (
            f"dn: uid=u3,{SUFFIX}\nchangetype: modify\nreplace: userPassword\nuserPassword: {{PLAIN}}new\n"
        )
        directory_said(directory, "ldapmodify", feed=changed)
        made = directory_said(directory, "ldapmodify", "-c", "-f", str(tmp_path / "out.ldif"))
        assert "No such attribute" in made.stderr
        one.reload()
        assert [one.login(f"u{n}", secret(n)).ok for n in range(COUNT)] == [True] * 3 + [False]
        assert one.login("u3", b"new").ok
        (tmp_path / "in.ldif").write_text(directory_said(directory, "ldapsearch", *listed).stdout)
        assert mailauth(*words).returncode == 0
        directory_said(directory, "ldapmodify", "-c", "-f", str(tmp_path / "undo.ldif"))
        now = directory_said(directory, "ldapsearch", *listed).stdout
        assert [sorted(entry.splitlines()) for entry in now.split("\n\n")[:3]] == [
            sorted(entry.splitlines()) for entry in before.split("\n\n")[:3]
        ]


def test_the_first_of_several_values_stays_the_first(rig: Callable[..., Rig], tmp_path: Path) -> None:
    """It is the one that Dovecot takes; also where two of them become another."""
    bare = [generate("SHA512-CRYPT", Password(secret(n)), rounds=1000).partition("}")[2] for n in range(2)]
    with Directory(tmp_path / "ldap", {"u0": bare[0]}) as directory:
        one = server(rig, "2.3.19.1", ldap(directory, bind=False))
        more = f"dn: uid=u0,{SUFFIX}\nchangetype: modify\nadd: userPassword\n"
        for value in ("{PLAIN}second", bare[1]):
            assert (
                directory_said(directory, "ldapmodify", feed=f"{more}userPassword: {value}\n").returncode == 0
            )
        listed = ("-LLL", "-o", "ldif-wrap=no", "-b", SUFFIX, "(uid=*)", "userPassword")
        before = directory_said(directory, "ldapsearch", *listed).stdout
        assert one.login("u0", secret(0)).ok
        (tmp_path / "in.ldif").write_text(before)
        files = ("--out", str(tmp_path / "out.ldif"), "--undo-out", str(tmp_path / "undo.ldif"))
        mailauth("migrate", "ldif", str(tmp_path / "in.ldif"), "--prefix", "--dovecot", "2.3.19.1", *files)
        for name in ("out.ldif", "undo.ldif"):
            made = directory_said(directory, "ldapmodify", "-c", "-f", str(tmp_path / name))
            assert made.returncode == 0, made.stderr
            one.reload()
            assert one.login("u0", secret(0)).ok
        assert directory_said(directory, "ldapsearch", *listed).stdout == before


def test_what_is_no_entry_is_said_by_its_line(tmp_path: Path) -> None:
    for text, says in (
        ("dn: uid=a\nuserPassword:: %%%\n", "line 2: no base64"),
        ("dn: uid=a\nuserPassword:< file:///etc/shadow\n", "line 2: a value"),
        ("dn: uid=a\nchangetype: modify\n", "changetype"),
    ):
        (tmp_path / "in.ldif").write_text(text)
        done = mailauth("migrate", "ldif", str(tmp_path / "in.ldif"), "--prefix")
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
        assert done.stderr.startswith(f"mailauth: {tmp_path / 'in.ldif'}: ")
    (tmp_path / "in.ldif").write_text("dn: uid=a\nuserPassword: $1$abcdefgh$0123456789abcdefghijk.\n")
    words = ("migrate", "ldif", str(tmp_path / "in.ldif"), "--prefix", "--dovecot", "2.3.19.1", "--json")
    told = json.loads(mailauth(*words).stdout)
    assert told["lines"][0]["action"] == "prefix", told
    next_ = f"then: mailauth {' '.join(words[:-1])} --out changes.ldif --undo-out undo.ldif"
    assert told["then"] == [next_]
    done = mailauth(*words[:-1], "--out", str(tmp_path / "changes.ldif"))
    assert f"then: ldapmodify -H ldap://SERVER -D ADMIN -W -c -f {tmp_path}/changes.ldif\n" in done.stdout
