"""What UPG001 makes of configurations of 2.3, started on a real 2.4: that Dovecot and a login judge it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot import conf, conffiles, v24
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.site import read_config
from mailauth.dovecot.version import Version
from mailauth.finding import Finding, Remedy
from mailauth.lab import Lab
from mailauth.probes.foreseen import observe_foreseen
from mailauth.rules import misfit_remedy
from tests.conftest import PROVEN
from tests.field.rig import Rig

SECRET = "correct horse"
HASH = "$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB"
OLD = next((one for one in PROVEN if one.startswith("2.3")), "2.3.19.1")
NEW = next((one for one in PROVEN if one.startswith("2.4")), "2.4.1")
MAIL = "mail_location = maildir:@DIR@/mail/%d/%n/Maildir:INDEX=@DIR@/mail/%d/%n/index\n"
STATIC = "userdb {\n  driver = static\n  args = uid=nobody gid=nogroup home=@DIR@/mail/%d/%n\n}\n"

PLAIN = f"""# Everything in one file
protocols = imap
disable_plaintext_auth = no
ssl = no
ssl_prefer_server_ciphers = yes
ssl_options = no_ticket no_compression
auth_mechanisms = plain login
auth_username_format = %Lu
{MAIL}
mail_home = @DIR@/mail/%d/%n
mail_plugins = $mail_plugins quota
pop3_uidl_format = %08Xu%08Xv
login_log_format_elements = user=<%u> method=%m rip=%r lip=%l mpid=%e %c %k
replication_max_conns = 5
namespace {{
  inbox = yes
  separator = /
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
}}
dict {{
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1G
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
service imap-login {{
  service_count = 0
  process_limit = 0
  vsz_limit = 0
  inet_listener imap {{
    address = 127.0.0.1
  }}
}}
service auth {{
  user = $default_internal_user
  inet_listener {{
    address = 127.0.0.1
    port = 0
  }}
}}
service director {{
  unix_listener login/director {{
  }}
}}
protocol imap {{
  mail_plugins = $mail_plugins \\
    imap_quota
}}
passdb {{
  driver = passwd-file
  args = username_format=%u @DIR@/masters
  master = yes
  pass = yes
}}
passdb {{
  driver = passwd-file
  args = @DIR@/users
}}
{STATIC}"""

TWO_SQL = f"""
!include auth.inc
ssl = no
disable_plaintext_auth = no
auth_master_user_separator = *
{MAIL}
{STATIC}
"""
AUTH_INC = """passdb {
  driver = sql
  args = @DIR@/masters.ext
  master = yes
}
passdb {
  driver = sql
  args = @DIR@/sql.ext
}
"""
SERVER = "connect = host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@\n"
REACH = {
    "sqlite": "driver = sqlite\nconnect = @FILE@\n",
    "mysql": f"driver = mysql\n{SERVER}",
    "pgsql": f"driver = pgsql\n{SERVER}",
}
QUERY = """default_pass_scheme = CRYPT
password_query = \\
  SELECT password FROM {} \\
  # the name and the domain stand in columns of their own
  WHERE name = '%n' AND domain = '%d'
"""
SCHEMA = (
    "CREATE TABLE accounts (name VARCHAR(80), domain VARCHAR(80), password VARCHAR(200))",
    "CREATE TABLE masters (name VARCHAR(80), domain VARCHAR(80), password VARCHAR(200))",
    f"INSERT INTO accounts VALUES ('alice', 'example.org', '{HASH}')",
    f"INSERT INTO masters VALUES ('root', '', '{HASH}')",
)


def files(store: str) -> dict[str, str]:
    if store == "passwd-file":
        return {
            "dovecot.conf": PLAIN,
            "users": f"alice@example.org:{HASH}::::::\n",
            "masters": f"root:{HASH}::::::\n",
        }
    return {
        "dovecot.conf": TWO_SQL,
        "auth.inc": AUTH_INC,
        "sql.ext": REACH[store] + QUERY.format("accounts"),
        "masters.ext": REACH[store] + QUERY.format("masters"),
    }


LDAP = """hosts = ldap1.example.org ldap2.example.org:390
dn = cn=dovecot,dc=example,dc=org
dnpass = hush, hush
auth_bind = yes
tls = yes
tls_require_cert = demand
base = ou=people,dc=example,dc=org
scope = subtree
user_attrs = homeDirectory=home,uidNumber=uid,=gid=500,mailbox=mail=maildir:/vmail/%$
user_filter = (&(objectClass=posixAccount)(uid=%n))
pass_attrs = uid=user,userPassword=password
pass_filter = (&(objectClass=posixAccount)(uid=%n))
iterate_attrs = uid=user
iterate_filter = (objectClass=posixAccount)
"""
ODD = """
disable_plaintext_auth = no
passdb {
  driver = ldap
  args = @DIR@/ldap.ext
}
userdb {
  driver = ldap
  args = @DIR@/ldap.ext
}
passdb {
  driver = static
  args = nopassword=y proxy=y host=10.0.0.1
}
passdb {
  driver = pam
  args = session=yes dovecot
}
passdb {
  driver = static
  args = password=hush-hush
}
dict {
  quota = mysql:/etc/dovecot/dict.conf
}
"""


def upg001(one: Lab) -> Finding:
    looked = look_at_all(Checkup(at_pid(one.master_pid, None), as_if=Version.parse(NEW)))
    [found] = [each for each in looked.diagnosis.findings if each.rule.code == "UPG001"]
    return found


def pasted(remedy: Remedy, folder: Path) -> dict[str, str]:
    """The files as the remedy would have them."""
    after = {}
    for name in {edit.file for edit in remedy.edits}:
        lines = Path(name).read_text().split("\n")
        edits = {edit.line: edit for edit in remedy.edits if edit.file == name}
        for number in sorted(edits, reverse=True):
            assert lines[number - 1].strip() == edits[number].old.strip()
            lines[number - 1 : number] = [edits[number].new] if edits[number].new else []
        after[Path(name).name] = "\n".join(lines)
    assert all(Path(edit.file).is_relative_to(folder) for edit in remedy.edits)
    return after


@contextmanager
def converted(old: Rig, store: str, **more: Any) -> Iterator[Rig]:
    """A 2.4 with what UPG001 says; the passwords, which it does not show, are put in as it says."""
    remedy = upg001(old).problem.remedy
    assert "By hand" not in remedy.summary, remedy.summary
    texts = dict(old._files) | pasted(remedy, old.folder)
    place = old.store.place
    for name, text in texts.items():
        lines = [line for line in text.split("\n") if not line.startswith(f"!include {old.folder}/")]
        new = "\n".join(lines).replace(str(old.folder), "@DIR@")
        for value, key in ((place.database, "@NAME@"), (str(place.path), "@FILE@"), (place.user, "@USER@")):
            new = new.replace(value, key) if value else new
        texts[name] = new.replace("password = # the one of", "password = @PASSWORD@ #")
    texts.pop("machine.conf", None)
    with Rig(NEW, store, texts, SCHEMA if store != "passwd-file" else (), **more) as new_one:
        done = new_one.run("doveconf", "-n")
        assert done.returncode == 0, done.stderr
        yield new_one


@pytest.mark.parametrize("store", ["passwd-file", "sqlite", "mysql", "pgsql"])
def test_converted(store: str, request: pytest.FixtureRequest) -> None:
    more: dict[str, Any] = {}
    if server := {"mysql": "mariadb", "pgsql": "postgres"}.get(store):
        more["database"] = request.getfixturevalue(server)
    with Rig(OLD, store, files(store), SCHEMA if store != "passwd-file" else (), **more) as old:
        assert old.login("alice@example.org", SECRET.encode()).ok
        with converted(old, store, **more) as new:
            assert new.login("alice@example.org", SECRET.encode()).ok, new.log()
            assert not new.login("alice@example.org", b"wrong").ok
            found = look_at_all(Checkup(at_pid(new.master_pid, None))).diagnosis.findings
            assert [one for one in found if one.rule.code.startswith("CONF00")] == []


def test_ldap_and_what_is_left_to_a_person(lab: Callable[..., Lab], tmp_path: Path) -> None:
    """Each key of the LDAP file is in 2.4's words; secrets and a dict are named, and not shown."""
    (tmp_path / "ldap.ext").write_text(LDAP)
    main = tmp_path / "dovecot.conf"
    main.write_text(ODD.replace("@DIR@", str(tmp_path)))
    found = misfits(
        conffiles.read(main),
        Version.parse(NEW),
        conffiles.Lines(Path),
        lambda name: conffiles.read(Path(name), ext=True),
    )
    by_hand = {(one.name, one.line) for one in found if one.new is None}
    assert by_hand == {("args", 21), ("dict", 23)}
    assert "hush" not in repr(found)
    kept = [one for one in found if one.new is not None]
    text = pasted(misfit_remedy.remedy("", kept), tmp_path)["dovecot.conf"]
    text = text.replace("  args = password=hush-hush\n", "").partition("dict {")[0]
    head = f"dovecot_config_version = {NEW}\ndovecot_storage_version = {NEW}\n"
    with lab(NEW, users={"alice": "{PLAIN}x"}) as one:
        file = one.folder / "odd.conf"
        file.write_text(head + text)
        done = one.run("doveconf", "-c", str(file), "-a", "-P")
        assert done.returncode == 0, done.stderr
        tree = conf.parse_printed(done.stdout)
    passdb, static = tree.all("passdb")[:2]
    assert passdb.get("ldap_uris") == "ldap://ldap1.example.org ldap://ldap2.example.org:390"
    assert v24.effective(tree, passdb, "passdb_ldap_bind") == "yes"
    assert static.blocks[0].get("nopassword") == "y"
    assert [block.name for block in tree.all("passdb")] == ["ldap", "static", "pam", "static2"]
    fields = tree.all("userdb")[0].blocks[0]
    assert (fields.get("gid"), fields.get("mail_path")) == ("500", "/vmail/%{ldap:mailbox}")


def test_what_debian_installed_and_nobody_touched_is_replaced_by_the_upgrade(lab: Callable[..., Lab]) -> None:
    with lab(OLD, users={"alice": "{PLAIN}x"}) as one:
        dovecot = replace(at_pid(one.master_pid, None), config="/etc/dovecot/dovecot.conf")
        config = read_config(dovecot)
        found = observe_foreseen(dovecot, config, Version.parse(NEW)).misfits
        if any(one.file.endswith("10-mail.conf") for one in found):
            pytest.skip("somebody touched this machine's /etc/dovecot")
        assert found == ()


@pytest.mark.parametrize("password", ["'two words'", '"two words"', "two words=3", "two words"])
def test_a_password_of_several_words_is_shown_in_no_part(tmp_path: Path, password: str) -> None:
    (tmp_path / "sql.ext").write_text(
        f"driver = mysql\nconnect = host=h user=u password={password} dbname=d\n"
    )
    main = tmp_path / "dovecot.conf"
    main.write_text(f"passdb {{\n  driver = sql\n  args = {tmp_path}/sql.ext\n}}\n")
    found = misfits(
        conffiles.read(main),
        Version.parse(NEW),
        conffiles.Lines(Path),
        lambda name: conffiles.read(Path(name), ext=True),
    )
    assert "words" not in repr(found)
    assert [one.new for one in found if one.name == "args"] == [None]


@pytest.mark.parametrize(
    "value", ["sealed=%{encrypt;key=hush-hush:password}", "proxy=y host=10.0.0.1 pass=hush-hush"]
)
def test_a_field_with_a_secret_is_shown_in_no_part(value: str) -> None:
    """The key of mailauth's own file for on-login, which only root reads; a proxy's password."""
    text = f"passdb {{\n  driver = passwd-file\n  args = /etc/users\n  override_fields = {value}\n}}\n"
    found = misfits(conf.parse(text, "f"), Version.parse(NEW), lambda _file, line: text.split("\n")[line - 1])
    assert "override_fields" in {one.name for one in found}
    assert "hush" not in repr(found)
