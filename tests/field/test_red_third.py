"""What a third look with fresh eyes found: what was silent, slow, vague or wrong on servers of others."""

import hashlib
import imaplib
from collections.abc import Callable

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.field.chains import Part, passwd_file, server
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, SECRET, checked, codes, said, session
from tests.proofs.story import heads, record_of

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


def lua(answer: str) -> Part:
    """A script that answers every login alike."""
    script = (
        f"function auth_password_verify(request, password)\n  return dovecot.auth.{answer}, ''\nend\n"
        "function auth_passdb_lookup(request)\n  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, {}\nend\n"
    )
    return Part(
        "driver = lua\n  args = file=@DIR@/login.lua",
        "passdb lua {\n  lua_file = @DIR@/login.lua\n}\n",
        {"login.lua": script},
    )


@_VERSIONS
def test_a_passdb_that_nobody_looks_into_refuses_users(rig: MakeRig, version: str) -> None:
    """--all and check tell the log's words of it; after logins that work neither does."""
    one = server(rig, version, lua("PASSDB_RESULT_USER_DISABLED"))
    for user in ("alice", "bob"):
        with pytest.raises(imaplib.IMAP4.error), session(one, user):
            pass
        assert one.logs(f"user=<{user}>")
    told = said(one, "checkup", user="")
    assert "RISK AUTH021" in told, told
    record_of(version, "lua", "a script refuses users as disabled", heads(told))
    assert "'alice', 'bob' failed" in told
    assert "disabled" in told.lower()
    assert "The log has no login of anybody that worked" in told
    status, words = checked(one)
    assert status == 1, words
    assert "AUTH021" in words
    one.write("login.lua", _LETS_IN)
    one.restart()
    for user in ("alice", "bob"):
        with session(one, user):
            pass
    assert "AUTH021" not in said(one, "checkup", user="", status=3)
    assert "AUTH021" not in checked(one)[1]


_LETS_IN = lua("PASSDB_RESULT_OK").files["login.lua"].replace("''", "{}")


@_VERSIONS
def test_passwords_that_it_refuses_are_a_note(rig: MakeRig, version: str) -> None:
    """Users mistype on any server: check stays as it is."""
    one = server(rig, version, lua("PASSDB_RESULT_PASSWORD_MISMATCH"), passwd_file({"bob": GOOD}))
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    assert one.logs("user=<alice>")
    told = said(one, "checkup", user="")
    assert "NOTE AUTH021" in told, told
    assert checked(one)[0] == 0, checked(one)[1]


@_VERSIONS
def test_an_auth_that_does_not_start_is_asked_no_more(rig: MakeRig, version: str) -> None:
    """Whoever asks it waits for half a minute: once that is known, no login and no lookup is tried."""
    one = server(rig, version, passwd_file({"alice": GOOD}), more="auth_mechanisms = plain none-such\n")
    told = said(one, "--password-stdin", "--login")
    assert "CONF010" in told, told
    assert " 0 undecided" in told
    told = said(one, "checkup", user="")
    assert "CONF010" in told, told


_USERS = {"alice": GOOD}


@_VERSIONS
def test_a_listener_for_haproxy_alone(rig: MakeRig, version: str) -> None:
    """NET010 by the settings, then by the log; `login` says why it does not try the port."""
    listener = "service imap-login {\n  inet_listener imap {\n    haproxy = yes\n  }\n}\n"
    one = server(rig, version, passwd_file(_USERS))
    one.configure(listener)
    one.restart()
    with pytest.raises((imaplib.IMAP4.error, OSError)), session(one):
        pass
    told = said(one)
    assert "BLOCKS LOGIN NET010" in told, told
    record_of(version, "passwd-file", "a listener for HAProxy alone", heads(told))
    assert "haproxy_trusted_networks is empty" in told
    one.configure(f"{listener}haproxy_trusted_networks = 192.0.2.0/24\n")
    one.restart()
    assert "NET010" not in said(one, status=0)
    done = mailauth("login", "alice", "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert done.returncode == 0, done.stdout
    assert "through HAProxy only" in done.stdout
    with pytest.raises((imaplib.IMAP4.error, OSError)), session(one):
        pass
    assert one.logs("Client not trusted")
    told = said(one)
    assert "RISK NET010" in told
    assert "Client not trusted (rip=127.0.0.1)" in told


@_VERSIONS
def test_no_client_may_send_its_password(rig: MakeRig, version: str) -> None:
    """auth_mechanisms = cram-md5 alone: a note, since it may be meant."""
    stored = generate("CRAM-MD5", Password.of(SECRET), user="alice")
    one = server(rig, version, passwd_file({"alice": stored}), more="auth_mechanisms = cram-md5\n")
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    assert codes(one, "--password-stdin", "--login") == {"AUTH003": ("note", "likely")}
    assert codes(one, "--mechanism", "CRAM-MD5") == {}


@_VERSIONS
def test_login_says_that_the_block_sets_allow_nets(rig: MakeRig, version: str) -> None:
    part = passwd_file(_USERS)
    fields = "  fields {\n    allow_nets = 192.0.2.0/24\n  }\n"
    part = Part(
        f"{part.old}\n  override_fields = allow_nets=192.0.2.0/24",
        part.new.removesuffix("}\n") + fields + "}\n",
        part.files,
    )
    one = server(rig, version, part)
    done = mailauth("login", "alice", "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    told = " ".join(done.stdout.split())
    assert "the entry has allow_nets: --from-address gives auth the client's address" in told, told


_HASHES = (generate("SHA512-CRYPT", Password.of(SECRET), rounds=5000) for _ in range(1000))
_ESCAPED = next(one for one in _HASHES if "/" in one).replace("/", "\\/")  # one of four has none
_HEX = hashlib.sha1(SECRET.encode() + b"12345678", usedforsecurity=False).hexdigest() + b"12345678".hex()


@pytest.mark.parametrize(
    ("stored", "code", "words"),
    [
        (_ESCAPED, "HASH032", "JSON's escapes"),
        (f"{{SSHA}}{_HEX}", "HASH012", "t is hex, and {SSHA} means base64: {SSHA.HEX}"),
    ],
    ids=["json", "salted hex"],
)
def test_a_string_as_another_program_wrote_it(rig: MakeRig, stored: str, code: str, words: str) -> None:
    one = server(rig, "2.3.19.1", passwd_file({"alice": stored}))
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    for given in ((), ("--password-stdin",)):
        told = said(one, *given)
        assert code in told, told
        assert words in told
    mended = GOOD if code == "HASH032" else f"{{SSHA.HEX}}{_HEX}"
    one.write("users", f"alice:{mended}\n")
    one.restart()
    with session(one):
        pass
