"""Servers whose passdbs and settings are not looked into: what was said of them wrongly, or not at all."""

import imaplib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab.certificate import make
from tests.cli.running import mailauth
from tests.field.chains import PAM, passwd_file, server
from tests.field.rig import Rig
from tests.proofs.story import record

MakeRig = Callable[..., Rig]
USER, SECRET = "alice", "as it was typed"
GOOD = generate("SHA512-CRYPT", Password.of(SECRET), user=USER, rounds=5000)
OTHER = generate("SHA512-CRYPT", Password.of("another"), user=USER, rounds=5000)
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


def said(one: Rig, *words: str, status: int = 1, user: str = USER) -> str:
    """What diagnose, or another command, says, without its line breaks."""
    feed = SECRET if "--password-stdin" in words else ""
    told = mailauth(*(("diagnose", user) if user else ()), *words, "--pid", str(one.master_pid), feed=feed)
    assert told.returncode == status, told.stdout + told.stderr
    return re.sub(r"\s+", " ", told.stdout)


def codes(one: Rig, *words: str) -> dict[str, tuple[str, str]]:
    """The findings: code -> severity and certainty."""
    feed = SECRET if "--password-stdin" in words else ""
    told = mailauth("diagnose", USER, *words, "--json", "--pid", str(one.master_pid), feed=feed)
    found = json.loads(told.stdout)["findings"]
    if found:  # else the case is of what another command says
        record(one, "", [each["code"] for each in found])
    return {each["code"]: (each["severity"], each["certainty"]) for each in found}


def checked(one: Rig) -> tuple[int, str]:
    where = ("--pid", str(one.master_pid), "--state", str(one.folder / "counts"))
    done = mailauth("check", "--timeout", "60s", "--greeting", "60s", "60s", *where, "server", "workers")
    return done.returncode, done.stdout


@contextmanager
def session(one: Rig, user: str = USER) -> Iterator[imaplib.IMAP4]:
    """A mail client that has logged in; it logs out."""
    with ExitStack() as stack:
        client = imaplib.IMAP4("127.0.0.1", one.ports["imap"], timeout=60)
        stack.callback(_closed, client)
        stack.enter_context(client)
        client.login(user, SECRET)
        yield client


def _closed(client: imaplib.IMAP4) -> None:
    """Also where the server hung up, which imaplib's own end leaves open."""
    with suppress(OSError):
        client.shutdown()


def test_a_program_that_cannot_be_run(rig: MakeRig) -> None:
    """The program is named, whether a login of our own is made or not."""
    checkpassword = "passdb {\n  driver = checkpassword\n  args = /nowhere/checkpassword\n}\n"
    one = server(rig, "2.3.19.1", more=checkpassword)
    for _ in range(2):
        with pytest.raises(imaplib.IMAP4.error), session(one):
            pass
    for words in ((), ("--password-stdin",), ("--password-stdin", "--login")):
        told = said(one, *words)
        assert "AUTH022" in told
        assert "/nowhere/checkpassword: No such file or directory" in told


def test_a_user_of_neither_pam_nor_a_file(rig: MakeRig) -> None:
    """PAM's words are of a password; that there is no such account is what keeps the user out."""
    one = server(rig, "2.3.19.1", PAM, passwd_file({"bob": GOOD}))
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    found = codes(one)
    assert found == {"USER001": ("blocks login", "proven")}, one.log()
    one.write("users", f"{USER}:{GOOD}\n")
    one.restart()
    with session(one):
        pass
    assert codes(one) == {}


@pytest.fixture
def refusing() -> Iterator[int]:
    """A policy server that refuses everyone; its port."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = b'{"status": -1, "msg": "too many of them"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not a word."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as one:
        thread = Thread(target=one.serve_forever)
        thread.start()
        yield one.server_port
        one.shutdown()
        thread.join()


def policy(port: int) -> str:
    return f"auth_policy_server_url = http://127.0.0.1:{port}/\nauth_policy_hash_nonce = some salt\n"


@_VERSIONS
def test_a_policy_server_that_refuses_is_named(rig: MakeRig, version: str, refusing: int) -> None:
    one = server(rig, version, passwd_file({USER: GOOD}), more=policy(refusing))
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    words = "Authentication failure due to policy server refusal: too many of them"
    without = said(one)
    assert "AUTH020" in without
    record(one, "", ("AUTH020",))
    assert words in without
    made = said(one, "--password-stdin", "--login")
    assert "AUTH001" in made
    assert words in made
    done = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert words in re.sub(r"\s+", " ", done.stdout), done.stdout


def test_a_policy_server_that_is_down(rig: MakeRig) -> None:
    """Where that refuses logins they fail by an error of the server's own; else it is slow."""
    more = policy(1) + "auth_policy_reject_on_fail = yes\n"
    one = server(rig, "2.3.19.1", passwd_file({USER: GOOD}), more=more)
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    told = said(one)
    assert "AUTH017" in told
    assert "Policy server HTTP error: connect(127.0.0.1:1) failed: Connection refused" in told
    status, words = checked(one)
    assert status == 2, words
    assert "Policy server HTTP error" in words


@_VERSIONS
def test_a_client_certificate_is_wanted(rig: MakeRig, version: str) -> None:
    """Our own login has none: its failure proves nothing."""
    one = server(rig, version, passwd_file({USER: GOOD}), more="auth_ssl_require_client_cert = yes\n")
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one, "--password-stdin", "--login", status=3)
    assert "AUTH001" in told
    assert "our own login has none" in told
    done = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert "FIRST TO DISAGREE" not in done.stdout, done.stdout
    assert done.returncode == 3
    assert "Client didn't present valid SSL certificate" in said(one, "log", user="")


@pytest.mark.parametrize(
    ("version", "setting"),
    [("2.3.19.1", "ssl_min_protocol = TLSv1.4"), ("2.4.1", "ssl_cipher_list = NOSUCH")],
)
def test_a_tls_setting_that_openssl_does_not_take(rig: MakeRig, version: str, setting: str) -> None:
    """Dovecot logs it as a client begins TLS, and no client gets further."""
    one = server(rig, version, passwd_file({USER: GOOD}), more=f"{setting}\n")
    files = make(one.folder)
    old = version < "2.4"
    names = ("ssl_cert = <", "ssl_key = <") if old else ("ssl_server_cert_file = ", "ssl_server_key_file = ")
    one.edit("dovecot.conf", "ssl = no\n", f"ssl = yes\n{names[0]}{files.cert}\n{names[1]}{files.key}\n")
    one.restart()
    assert "NET007" not in codes(one)
    with socket.create_connection(("127.0.0.1", one.ports["imap"]), timeout=60) as client:
        client.recv(4096)
        client.sendall(b"a STARTTLS\r\n")
        while client.recv(4096):
            pass
    assert one.logs("Failed to initialize SSL")
    told = said(one)
    assert "NET007" in told
    assert setting.partition(" ")[0] in told
    assert setting.rpartition(" ")[2] in told


@_VERSIONS
def test_a_mechanism_that_cannot_be_served_is_the_cause(rig: MakeRig, version: str) -> None:
    """The login that it fails in is no other cause."""
    one = server(rig, version, passwd_file({USER: GOOD}), more="auth_mechanisms = cram-md5\n")
    assert set(codes(one, "--password-stdin", "--login")) == {"AUTH003"}


@_VERSIONS
def test_a_session_without_an_inbox_is_none_that_worked(rig: MakeRig, version: str) -> None:
    """It ends as it should, whatever the client saw; of whom others' sessions say nothing."""
    one = server(rig, version, passwd_file({USER: GOOD, "bob": GOOD}))
    place = "~/mail:INBOX=@DIR@/inboxes/%u" if version < "2.4" else "~/mail"
    old = "maildir:~/Maildir" if version < "2.4" else "mail_driver = maildir\nmail_path = ~/Maildir"
    new = (
        f"mbox:{place}"
        if version < "2.4"
        else ("mail_driver = mbox\nmail_path = ~/mail\nmail_inbox_path = @DIR@/inboxes/%{user}")
    )
    inboxes = one.folder / "inboxes"
    inboxes.mkdir(mode=0o755)
    (inboxes / "bob").touch()
    os.chown(inboxes / "bob", 5000, 5000)
    one.edit("dovecot.conf", old, new)
    one.restart()
    with session(one) as client:
        assert client.select("INBOX", readonly=True)[0] == "NO"
        client.logout()
    assert one.logs("Logged out")
    alone = codes(one)
    assert "AUTH015" in alone, one.log()
    status, words = checked(one)
    assert status == 1, words
    with session(one, "bob") as client:
        assert client.select("INBOX", readonly=True)[0] == "OK", one.log()
        client.logout()
    assert one.logs("Logged out", times=2)
    told = said(one)
    assert "AUTH015" in told, told
    assert "of the last session of 'alice'" in told
    assert "Permission denied" in told
    assert said(one, user="bob", status=0)


@_VERSIONS
def test_what_runs_is_older_than_the_files(rig: MakeRig, version: str) -> None:
    """What is said is of the files: nothing of that is proven, and a login that fails has its cause."""
    one = server(rig, version, passwd_file({USER: OTHER}))
    one.write("new", f"{USER}:{GOOD}\n")
    main = one.folder / "dovecot.conf"
    one.edit("dovecot.conf", "@DIR@/users", "@DIR@/new")
    _later(main)
    found = codes(one, "--password-stdin", "--login")
    assert found == {"CONF016": ("blocks login", "likely")}
    one.write("new", f"{USER}:{OTHER}\n")
    assert codes(one, "--password-stdin")["PASS001"][1] == "likely"
    main.write_text(f"{main.read_text()}no_such_setting = yes\n")
    found = codes(one)
    assert found["CONF019"][0] == "risk"
    assert "goes on with what it read before" in said(one)


def _later(file: Path) -> None:
    """As if it had been changed a minute later."""
    os.utime(file, (time.time() + 60,) * 2)


def test_the_limit_of_sessions_is_named_by_a_login_of_our_own(rig: MakeRig) -> None:
    more = "protocol imap {\n  mail_max_userip_connections = 1\n}\n"
    one = server(rig, "2.4.1", passwd_file({USER: GOOD}), more=more)
    with session(one):
        assert set(codes(one, "--password-stdin", "--login")) == {"AUTH019"}


def test_the_password_of_static_needs_no_prefix(rig: MakeRig) -> None:
    """It stands in the configuration, as it is."""
    one = server(rig, "2.4.1", more=f"passdb static {{\n  password = {SECRET}\n}}\n")
    assert one.login(USER, SECRET.encode()).ok
    assert "STORE005" not in said(one, "checkup", user="")


def test_login_names_the_passdb_that_denies(rig: MakeRig) -> None:
    deny = "passdb {\n  driver = passwd-file\n  deny = yes\n  args = @DIR@/denied\n}\n"
    one = server(rig, "2.3.19.1", passwd_file({USER: GOOD}))
    one.write("denied", f"{USER}:\n")
    text = (one.folder / "dovecot.conf").read_text()
    one.write("dovecot.conf", deny + text)
    one.restart()
    assert not one.login(USER, SECRET.encode()).ok
    done = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    told = re.sub(r"\s+", " ", done.stdout)
    assert "passdb 1 (passwd-file)" in told, told
    assert "has deny = yes, and the user is in it" in told
    assert "no passdb has the user" not in told
