"""A Dovecot that does not run has nothing to reload: each remedy ends on its start."""

from mailauth.dovecot.doveadm import Installation
from mailauth.remedies import RELOAD, of_a_stopped, remedy, start
from tests.cli.running import mailauth
from tests.fix.conftest import Fix, Labs
from tests.proofs.story import MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
LINE = {
    "2.3": "ssl_cert = <{}/none.pem\nssl_key = <{}/none.pem\n",
    "2.4": "ssl_server_cert_file = {}/none.pem\n",
}


def test_a_certificate_that_is_missing(fix: Fix, lab: Labs) -> None:
    """NET007 beside CONF018: to start is the last step, and doveadm reload would fail."""
    with lab(None, "passwd-file", {"alice": GOOD}, protocols=("imap",), tls=True) as one:
        one.configure("ssl = yes\n" + LINE[one.dialect].replace("{}", str(one.folder)))
        one.stop()
        told = mailauth("checkup", "-c", str(one.config)).stdout
        assert {"CONF018", "NET007"} <= set(told.split()), told
        assert "doveadm reload" not in told
        assert f"Then start Dovecot: dovecot -c {one.config}." in " ".join(told.split())
        planned = fix("NET007", "-c", str(one.config))
        assert planned.returncode == 0, planned.stderr
        assert "reload" not in planned.stdout
        assert "add --apply" not in planned.stdout
        assert Installation(str(one.config)).run("doveadm", "reload").status != 0


def test_the_words_say_start() -> None:
    """Where a sentence has "reload" it says "start Dovecot"; else that is a sentence of its own."""
    for before, after in (
        ("Mend it, and reload.", "Mend it, and start Dovecot."),
        ("Install it; then reload.", "Install it; then start Dovecot."),
        ("Mend it.", "Mend it. Then start Dovecot: systemctl start dovecot."),
    ):
        found = of_a_stopped(remedy(before, commands=(("mkdir", "-p", "--", "/var/log/x"), RELOAD)), None)
        assert (found.summary, found.commands) == (after, (("mkdir", "-p", "--", "/var/log/x"),))
    other = remedy("Look.", commands=(("mkdir", "-p", "--", "/var/log/x"),))
    assert of_a_stopped(other, None) is other


def test_who_starts_which() -> None:
    """The system's unit starts Dovecot with Debian's own file; what is no path of a file is in no command."""
    for file in (None, "", "/etc/dovecot/dovecot.conf", "/etc/../x", "/etc/a\nb"):
        assert start(file) == "systemctl start dovecot"
    assert start("/srv/a b/dovecot.conf") == "dovecot -c '/srv/a b/dovecot.conf'"
