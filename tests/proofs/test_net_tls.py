"""NET003, NET004 and NET007: certificates that clients refuse, or that Dovecot cannot use."""

from dataclasses import replace

import pytest

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.evidence import Certificates
from mailauth.finding import Certainty, Severity
from mailauth.probes.scene import Scene
from mailauth.probes.tls import observe_certificates
from tests.proofs.two_hosts import EVERYWHERE, NAME, SERVER, Start


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [(-90, -3, "3 days ago"), (2, 90, "begins only")],
    ids=["expired", "not yet valid"],
)
def test_net003(start: Start, begins: int, ends: int, says: str) -> None:
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign(SERVER, begins=begins, ends=ends)
    tls = EVERYWHERE + way.authority.settings(way.lab.dialect)
    way.reload(tls)
    assert not way.arrives(SERVER, tls=trust)
    for host, certainty in (("", Certainty.LIKELY), (SERVER, Certainty.PROVEN)):
        found = way.finds("NET003", host=host, name="certificate " + says)
        assert says in found[0].problem.says
        assert found[0].problem.certainty is certainty
    way.authority.sign(SERVER)  # renewed; the remedy lets Dovecot read it
    way.paste(way.finds("NET003", host=SERVER, name="certificate renewed and not reloaded"))
    assert way.arrives(SERVER, tls=trust)
    way.finds(host=SERVER)


@pytest.mark.parametrize(
    "names", [("mail.example.org", "*.example.net"), ()], ids=["another name", "no name"]
)
def test_net004(start: Start, names: tuple[str, ...]) -> None:
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign(*names)
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect))
    for host, address in ((SERVER, SERVER), (NAME, "127.0.0.1")):
        assert not way.arrives(address, space="server", tls=trust, name=host)
        found = way.finds("NET004", host=host, name="certificate for another name")
        assert host in found[0].problem.says
    way.finds()
    way.authority.sign(SERVER, NAME)
    way.paste(found)
    for host, address in ((SERVER, SERVER), (NAME, "127.0.0.1")):
        assert way.arrives(address, space="server", tls=trust, name=host)
        way.finds(host=host)


def test_net003_and_net004_at_once(start: Start) -> None:
    way = start(EVERYWHERE)
    way.authority.sign("mail.example.org", ends=-3)
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect))
    way.finds("NET003", "NET004", host=SERVER, name="certificate expired, and for another name")


def test_net004_a_wildcard_and_a_name_of_its_own(start: Start) -> None:
    """local_name gives each name its certificate; what is presented counts, not what else there is."""
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign("mail.example.org")
    way.authority.sign(NAME, name="own")
    own = way.authority.settings(way.lab.dialect, "own").replace("ssl = yes\n", "")
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect) + f"local_name {NAME} {{\n{own}}}\n")
    assert way.arrives("127.0.0.1", space="server", tls=trust, name=NAME)
    way.finds(host=NAME)


def test_net003_of_one_name_alone(start: Start) -> None:
    """Whose clients get it is said, and what others get is not judged by it; also where nothing answers."""
    way = start(EVERYWHERE)
    way.authority.sign(SERVER)
    way.authority.sign("*.example.org", name="own", ends=-3)
    own = way.authority.settings(way.lab.dialect, "own").replace("ssl = yes\n", "")
    names = f"*.example.org {NAME}" if way.lab.dialect == "2.3" else NAME  # 2.4 takes one
    block = f'local_name "{names}" {{\n{own}}}\n'
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect) + block)
    (found,) = way.finds("NET003", name="the certificate of a local_name expired")
    assert found.severity is Severity.RISK
    assert "only its clients get it" in found.problem.says
    way.finds(host=SERVER)
    dovecot = at_pid(way.lab.master_pid, None)
    scene = Scene(dovecot, read_config(dovecot), host=SERVER, port=9)  # where nobody answers
    for host, block in ((SERVER, ""), (NAME, f"local_name {names}")):
        with way.nets.inside("server"):
            told = observe_certificates(replace(scene, host=host))
        assert isinstance(told, Certificates)
        assert [one.serves for one in told.telling] == [block]


def test_net007_key_of_another_certificate(start: Start) -> None:
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign(SERVER)
    way.authority.sign(SERVER, name="other")
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect, key="other.key"))
    assert not way.arrives(SERVER, tls=trust)
    assert way.lab.logs("Failed to initialize SSL")
    found = way.finds("NET007", name="key of another certificate")
    assert "is not the key of" in found[0].problem.says
    (way.authority.folder / "other.key").write_bytes((way.authority.folder / "server.key").read_bytes())
    way.paste(found)
    assert way.arrives(SERVER, tls=trust)
    way.finds(host=SERVER)


@pytest.mark.parametrize("suffix", ["crt", "key"])
def test_net007_no_pem(start: Start, suffix: str) -> None:
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign(SERVER)
    file = way.authority.folder / f"server.{suffix}"
    whole = file.read_bytes()
    file.write_bytes(whole[:60])
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect))
    assert not way.arrives(SERVER, tls=trust)
    found = way.finds("NET007", name=f"damaged {suffix}")
    file.write_bytes(whole)
    way.paste(found)
    assert way.arrives(SERVER, tls=trust)
    way.finds(host=SERVER)


def test_net007_file_missing(start: Start) -> None:
    """A Dovecot that runs goes on as before; it would not start again."""
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign(SERVER)
    way.reload(EVERYWHERE + way.authority.settings(way.lab.dialect))
    key = way.authority.folder / "server.key"
    key.rename(way.authority.folder / "away")
    found = way.finds("NET007", host=SERVER, name="key missing")
    assert "there is no such file" in found[0].problem.says
    (way.authority.folder / "away").rename(key)
    way.paste(found)
    assert way.arrives(SERVER, tls=trust)
    way.finds(host=SERVER)


@pytest.mark.core
def test_net007_certificate_or_key_not_set(start: Start) -> None:
    """Dovecot starts without them, and offers TLS; a block for everyone of one protocol is as good."""
    way = start(EVERYWHERE)
    trust = way.authority.trust()
    way.authority.sign(SERVER)
    _, cert, key = way.authority.settings(way.lab.dialect).splitlines()
    refused = "disable_plaintext_auth = yes" if way.lab.dialect == "2.3" else "auth_allow_cleartext = no"
    head = f"{EVERYWHERE}{refused}\n"
    names = [one.partition(" = ")[0] for one in (cert, key)]
    cases = {
        "no certificate and no key": ("ssl = required", names),
        "TLS is the default, without a certificate": ("ssl = yes", names),
        "no key": (f"ssl = required\n{cert}", names[1:]),
        "no certificate": (f"ssl = required\n{key}", names[:1]),
        "no certificate but for a name": (
            f"ssl = required\nlocal_name {NAME} {{\n{cert}\n{key}\n}}",
            names,
        ),
    }
    if way.lab.dialect == "2.3":
        cases["no < before the file"] = (f"ssl = required\n{cert}\n{key}".replace("<", ""), names)
    for name, (settings, unset) in cases.items():
        way.reload(f"{head}{settings}\n")
        assert not way.arrives(SERVER)
        assert not way.arrives(SERVER, tls=trust)
        (found,) = way.finds("NET007", name=name)
        assert (found.severity, found.problem.certainty) == (Severity.BLOCKS_LOGIN, Certainty.PROVEN)
        assert [one for one in names if f"{one} " in found.problem.says] == unset
        assert ("no password from another machine" in found.problem.says) is settings.startswith("ssl = r")
    whole = f"ssl = required\n{cert}\n{key}\n"
    for settings in (whole, f"ssl = required\nprotocol imap {{\n{cert}\n{key}\n}}\n"):
        way.reload(head + settings)
        assert way.arrives(SERVER, tls=trust)
        way.finds()
    if way.lab.dialect == "2.3":
        return
    inside = "".join(f"  {one.removeprefix('ssl_server_')}\n" for one in (cert, key))
    way.reload(f"{head}ssl = required\nssl_server {{\n{inside}}}\n")
    assert way.arrives(SERVER, tls=trust)
    way.finds()


def test_net007_not_set_and_passwords_go_without_tls(start: Start) -> None:
    """Who does not ask for TLS logs in; on this machine nobody needs it."""
    way = start(EVERYWHERE)
    way.reload(EVERYWHERE + "ssl = yes\n")
    assert way.arrives(SERVER)
    assert not way.arrives(SERVER, tls=way.authority.trust())
    (found,) = way.finds("NET007")
    assert found.severity is Severity.RISK
    way.reload("ssl = yes\n")
    assert way.arrives("127.0.0.1", space="server")
    way.finds()
