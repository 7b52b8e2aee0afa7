"""What the log says of the past: a database that answers, and what is mended by now."""

import contextlib
import imaplib
from collections.abc import Callable
from pathlib import Path

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.lab.stores import SqlStore
from tests.proofs.story import SECRET, MiB, Proof, argon2id
from tests.proofs.test_log_reasons import imap

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)


def test_a_database_that_answers_with_an_error(proof: Make, dovecot_version: str) -> None:
    """DB003: the server is there, and says that the table is not."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    assert isinstance(told.lab.store, SqlStore)
    told.lab.store.execute("ALTER TABLE users RENAME TO members")
    assert told.logins() == [False]
    report = read_logs(Reading((told.lab.folder / "log",)))
    says = " ".join((*(one.cause for one in report.rows), *(one.says for one in report.troubles)))
    assert "with an error" in says, report
    assert "does not answer" not in says
    assert "server that it asks" not in says


def test_auth015_once_it_is_mended(proof: Make, dovecot_version: str) -> None:
    """Without a reload the log goes on from before: first a login is to show whether it still fails."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    folder = one.lab.folder / "plugins"
    folder.mkdir(mode=0o755)
    plugins = Path(one.lab.run("doveconf", "-h", "mail_plugin_dir").stdout.strip())
    one.lab.configure(f"mail_plugin_dir = {folder}\nprotocol imap {{\n  mail_plugins = quota\n}}\n")
    one.lab.reload()
    with contextlib.suppress(imaplib.IMAP4.error, OSError):
        imap(one.lab)
    assert one.lab.logs("Plugin 'quota' not found")
    (told,) = one.finds({"AUTH015"})
    for each in at_pid(one.lab.master_pid, None).path(str(plugins)).iterdir():
        (folder / each.name).symlink_to(plugins / each.name)
    (told,) = one.finds({"AUTH015"})
    summary = told.problem.remedy.summary
    assert "mailauth diagnose" in summary
    assert summary.index("--login -p alice") < summary.index("fix what that line names")
    one.finds(set(), password=SECRET, login=True)
    one.finds(set())
