"""What UPG001 makes of configurations of 2.3, started on a real 2.4: the judge is that Dovecot, and a login."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.version import Version
from mailauth.finding import Finding, Remedy
from mailauth.lab import Lab
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
REACH = {
    "sqlite": "driver = sqlite\nconnect = @FILE@\n",
    "mysql": "driver = mysql\nconnect = host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@\n",
    "pgsql": "driver = pgsql\nconnect = host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@\n",
}
QUERY = "default_pass_scheme = CRYPT\npassword_query = \\\n  SELECT password FROM {} \\\n  WHERE name = '%n' AND domain = '%d'\n"
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
def converted(old: Rig, store: str, **more: object) -> Iterator[Rig]:
    """A 2.4 with what UPG001 says; the passwords, which it does not show, are put in as it says."""
    remedy = upg001(old).problem.remedy
    assert "By hand" not in remedy.summary, remedy.summary
    texts = dict(old._files) | pasted(remedy, old.folder)  # noqa: SLF001
    place = old.store.place
    for name, text in texts.items():
        lines = [line for line in text.split("\n") if not line.startswith(f"!include {old.folder}/")]
        new = "\n".join(lines).replace(str(old.folder), "@DIR@")
        for value, key in ((place.database, "@NAME@"), (str(place.path), "@FILE@"), (place.user, "@USER@")):
            new = new.replace(value, key) if value else new
        texts[name] = new.replace("password = # the one of", "password = @PASSWORD@ #")
    texts.pop("machine.conf", None)
    with Rig(NEW, store, texts, SCHEMA if store != "passwd-file" else (), **more) as new_one:  # type: ignore[arg-type]
        done = new_one.run("doveconf", "-n")
        assert done.returncode == 0, done.stderr
        yield new_one


@pytest.mark.parametrize("store", ["passwd-file", "sqlite", "mysql", "pgsql"])
def test_converted(store: str, request: pytest.FixtureRequest) -> None:
    more: dict[str, object] = {}
    if server := {"mysql": "mariadb", "pgsql": "postgres"}.get(store):
        more["database"] = request.getfixturevalue(server)
    with Rig(OLD, store, files(store), SCHEMA if store != "passwd-file" else (), **more) as old:
        assert old.login("alice@example.org", SECRET.encode()).ok
        with converted(old, store, **more) as new:
            assert new.login("alice@example.org", SECRET.encode()).ok, new.log()
            assert not new.login("alice@example.org", b"wrong").ok
            found = look_at_all(Checkup(at_pid(new.master_pid, None))).diagnosis.findings
            assert [one for one in found if one.rule.code.startswith("CONF00")] == []
