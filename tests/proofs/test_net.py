"""NET001, 2, 5, 6 and 9, and AUTH002: what is between a client and the login, on real interfaces.

Each test has namespaces of its own: a client, a server, and where the server is behind another machine
(``host``) that one, with veth or tap devices between them.
"""

import shutil
import subprocess
from collections.abc import Callable

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.finding import Certainty
from tests.conftest import missing
from tests.proofs.networks import Networks
from tests.proofs.two_hosts import CLIENT, CLIENT6, EVERYWHERE, NAME, OWN, OWN6, SERVER, SERVER6, Start


def test_healthy(start: Start) -> None:
    way = start(EVERYWHERE)
    for address in (SERVER, SERVER6):
        assert way.arrives(address)
        way.finds(host=address)
        way.finds(host=address, port=way.port)
    way.finds()
    way.finds(named_service=True)


def test_loopback_only_is_no_fault(start: Start) -> None:
    """A webmail server's Dovecot listens for the webmail only."""
    way = start()
    assert not way.arrives(SERVER)
    assert way.arrives("127.0.0.1", space="server")
    way.finds()
    way.finds(host="127.0.0.1")
    way.finds(host=NAME)


@pytest.mark.core
def test_net001_protocol_not_served(start: Start) -> None:
    way = start(EVERYWHERE, protocols=("imap", "pop3"))
    way.reload(EVERYWHERE + "protocols = pop3\n")
    assert not way.arrives(SERVER)
    way.finds()  # nobody said that the client wants IMAP
    found = way.finds("NET001", named_service=True, name="imap is not among protocols")
    way.paste(found)
    assert way.arrives(SERVER)
    way.finds(named_service=True)


def test_net001_port_0(start: Start) -> None:
    way = start(EVERYWHERE)
    way.reload(EVERYWHERE + "service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n}\n")
    assert not way.arrives(SERVER)
    found = way.finds("NET001", name="every inet_listener has port 0")
    way.paste(found)
    assert way.arrives(SERVER, 143)
    way.finds(host=SERVER)


def test_net001_is_silent_where_port_0_switches_off(start: Start) -> None:
    """POP3 is switched off by its ports; only who asks for it is told so."""
    way = start(EVERYWHERE, protocols=("imap", "pop3"))
    way.reload(EVERYWHERE + "service pop3-login {\n  inet_listener pop3 {\n    port = 0\n  }\n}\n")
    assert way.arrives(SERVER)
    way.finds()
    way.finds(host=SERVER)
    way.finds("NET001", named_service=True, service="pop3")


def test_net001_not_reloaded(start: Start) -> None:
    way = start(EVERYWHERE)
    way.lab.configure(EVERYWHERE + "service imap-login {\n  inet_listener imap {\n    port = 143\n  }\n}\n")
    assert not way.arrives(SERVER, 143)
    found = way.finds("NET001", name="the port was changed and not reloaded")
    way.paste(found)
    assert way.arrives(SERVER, 143)
    way.finds()


@pytest.mark.parametrize("dovecot_version", [None], indirect=True, ids=["installed"])
def test_net001_dovecot_does_not_run(start: Start) -> None:
    """Where no Dovecot runs, that is what is found, whatever else cannot be seen then."""
    way = start(EVERYWHERE)
    way.lab.stop()
    assert not way.arrives(SERVER)
    diagnosis = way.look(dovecot=Installation(str(way.lab.config))).diagnosis
    says = [one.problem.says for one in diagnosis.findings if one.rule.code == "NET001"]
    assert ["does not run" in one for one in says] == [True]


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        pytest.param("", SERVER, id="127.0.0.1 only"),
        pytest.param("listen = *\n", SERVER6, id="IPv4 only"),
        pytest.param(f"listen = {SERVER}\n", SERVER6, id="one address only"),
    ],
)
def test_net002_address(start: Start, settings: str, address: str) -> None:
    way = start(EVERYWHERE)
    assert way.arrives(address)
    way.reload(settings)
    assert not way.arrives(address)
    way.finds()
    found = way.finds("NET002", host=address, name=f"listens on {settings.strip() or '127.0.0.1 only'}")
    assert address in found[0].problem.says
    way.paste(found)
    assert way.arrives(address)
    way.finds(host=address)


def test_net002_own_address_of_the_listener(start: Start) -> None:
    way = start(EVERYWHERE)
    key = "address" if way.lab.dialect == "2.3" else "listen"
    way.reload(
        EVERYWHERE + f"service imap-login {{\n  inet_listener imap {{\n    {key} = 127.0.0.1\n  }}\n}}\n"
    )
    assert not way.arrives(SERVER)
    found = way.finds("NET002", host=SERVER, name="the inet_listener has an address of its own")
    way.paste(found)
    assert way.arrives(SERVER)
    way.finds(host=SERVER)


def test_net002_port(start: Start) -> None:
    way = start(EVERYWHERE)
    assert not way.arrives(SERVER, 143)
    found = way.finds("NET002", host=SERVER, port=143, name="listens on another port")
    way.paste(found)
    assert way.arrives(SERVER, 143)
    way.finds(host=SERVER, port=143)


def test_net005_listen_names_an_address_that_is_gone(start: Start) -> None:
    """The dedicated address was added by hand, and is lost."""
    way = start(EVERYWHERE)
    for address, length in ((OWN, 32), (OWN6, 128)):
        way.nets.address("server", "srv0", f"{address}/{length}")
        way.nets.route("client", f"{address}/{length}", device="cli0")
    way.reload(f"listen = {OWN}, [{OWN6}]\n")
    for address in (OWN, OWN6):
        assert way.arrives(address)
        way.finds(host=address)
    way.nets.address("server", "srv0", f"{OWN}/32", remove=True)
    assert not way.arrives(OWN, patience=1.0)
    found = way.finds("NET005", name="listen names an address that no interface has")
    assert OWN in found[0].problem.says
    way.nets.address("server", "srv0", f"{OWN}/32")
    assert way.arrives(OWN)
    way.finds()


@pytest.fixture(params=["veth", "tap"])
def routed(networks: Callable[..., Networks], request: pytest.FixtureRequest) -> Networks:
    """Client - host - server: the host carries the server's own /32 and /128 through a veth or tap device."""
    nets = networks("client", "host", "server")
    nets.cable("host", "client", names=("up0", "cli0"))
    join = nets.tap if request.param == "tap" else nets.cable
    join("host", "server", names=("dev7", "srv0"))
    nets.address("host", "up0", "198.51.100.254/24")
    nets.address("client", "cli0", f"{CLIENT}/24")
    nets.address("host", "up0", "2001:db8:1::fe/64")
    nets.address("client", "cli0", f"{CLIENT6}/64")
    nets.address("host", "dev7", "169.254.7.1/30")
    nets.address("server", "srv0", "169.254.7.2/30")
    nets.address("host", "dev7", "fd07::1/64")
    nets.address("server", "srv0", "fd07::2/64")
    # No default routes: a process that asks a name server would wait for an answer.
    nets.route("client", f"{OWN}/32", via="198.51.100.254")
    nets.route("client", f"{OWN6}/128", via="2001:db8:1::fe")
    nets.route("server", "198.51.100.0/24", via="169.254.7.1")
    nets.route("server", "2001:db8:1::/64", via="fd07::1")
    for own in (f"{OWN}/32", f"{OWN6}/128"):
        nets.address("server", "srv0", own)
        nets.route("host", own, device="dev7")
    nets.sysctl("host", "net.ipv4.ip_forward", "1")
    nets.sysctl("host", "net.ipv6.conf.all.forwarding", "1")
    return nets


HOLDS = [
    ("veth", OWN, "net.ipv4.ip_forward"),
    ("tap", OWN, "net.ipv4.ip_forward"),
    ("veth", OWN, "net.ipv4.conf.dev7.forwarding"),
    ("veth", OWN, "net.ipv4.conf.up0.forwarding"),
    ("veth", OWN6, "net.ipv6.conf.all.forwarding"),
    ("tap", OWN6, "net.ipv6.conf.all.forwarding"),
]


@pytest.mark.parametrize(("routed", "address", "setting"), HOLDS, indirect=["routed"])
def test_net006(start: Start, routed: Networks, address: str, setting: str) -> None:
    way = start(EVERYWHERE, nets=routed)
    assert way.arrives(address)
    way.finds(space="host", host=address)
    way.finds(space="server", host=address)
    routed.sysctl("host", setting, "0")
    assert not way.arrives(address, patience=1.0)
    assert way.arrives(address, space="host")
    found = way.finds("NET006", space="host", host=address, name=f"forwarding off, {setting}")
    [command] = found[0].problem.remedy.commands
    assert command == ("sysctl", "-w", "--", f"{setting}=1")
    routed.sysctl("host", *command[-1].split("="))  # what sysctl(8) does: procps may not be installed
    assert way.arrives(address)
    way.finds(space="host", host=address)


@pytest.mark.parametrize("routed", ["veth"], indirect=True)
def test_net006_is_silent_where_the_interfaces_forward(start: Start, routed: Networks) -> None:
    """IPv4 asks the interface that a packet comes in by: the general switch may stay off."""
    way = start(EVERYWHERE, nets=routed)
    routed.sysctl("host", "net.ipv4.ip_forward", "0")
    for device in ("up0", "dev7"):
        routed.sysctl("host", f"net.ipv4.conf.{device}.forwarding", "1")
    assert way.arrives(OWN)
    way.finds(space="host", host=OWN)


@pytest.mark.parametrize(
    ("routed", "address"), [("veth", OWN), ("veth", OWN6), ("tap", OWN)], indirect=["routed"]
)
def test_net005_no_route_on_the_host(start: Start, routed: Networks, address: str) -> None:
    way = start(EVERYWHERE, nets=routed)
    length = 32 if address == OWN else 128
    routed.route("host", f"{address}/{length}", device="dev7", remove=True)
    assert not way.arrives(address)
    found = way.finds("NET005", space="host", host=address, name="no route to the server's own address")
    assert "no route" in found[0].problem.says
    routed.route("host", f"{address}/{length}", device="dev7")
    assert way.arrives(address)
    way.finds(space="host", host=address)


def test_net005_nobody_behind_the_device(start: Start, routed: Networks) -> None:
    """The host routes the address to the server, which does not have it."""
    way = start(EVERYWHERE, nets=routed)
    routed.address("server", "srv0", f"{OWN}/32", remove=True)
    assert not way.arrives(OWN, patience=1.0)
    found = way.finds("NET005", space="host", host=OWN, name="the server behind the veth lost its address")
    assert "nobody behind it" in found[0].problem.says
    routed.address("server", "srv0", f"{OWN}/32")
    assert way.arrives(OWN)
    way.finds(space="host", host=OWN)


def _filter(nets: Networks, text: str) -> None:
    """A packet filter on the server: it takes the place of what was there."""
    if shutil.which("nft") is None:
        missing("nftables is not installed")
    with nets.inside("server"):
        done = subprocess.run(
            ["nft", "-f", "-"], input=f"flush ruleset\n{text}", text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("routed", ["veth"], indirect=True)
@pytest.mark.parametrize(
    ("address", "verdict", "certainty"),
    [
        (OWN, "drop", Certainty.LIKELY),
        (OWN6, "reject with tcp reset", Certainty.PROVEN),
        (OWN, "reject with icmpx type admin-prohibited", Certainty.PROVEN),
    ],
)
def test_net009(start: Start, routed: Networks, address: str, verdict: str, certainty: Certainty) -> None:
    """A packet filter on the server lets SSH through, and not IMAP."""
    way = start(EVERYWHERE, nets=routed)
    way.finds(space="host", host=address)
    stop = f"tcp dport {way.port} {verdict}"
    _filter(routed, f"table inet f {{\n chain i {{\n type filter hook input priority 0; {stop};\n }}\n}}\n")
    assert not way.arrives(address, patience=1.0)
    found = way.finds("NET009", space="host", host=address, name=f"packet filter: {verdict}")
    assert found[0].problem.certainty is certainty
    _filter(routed, "")
    assert way.arrives(address)
    way.finds(space="host", host=address)


def test_auth002(start: Start) -> None:
    """From elsewhere the password is refused, on the machine itself it is not."""
    way = start(EVERYWHERE)
    refuse = "disable_plaintext_auth = yes" if way.lab.dialect == "2.3" else "auth_allow_cleartext = no"
    way.reload(f"{EVERYWHERE}{refuse}\n")
    assert not way.arrives(SERVER)
    assert way.arrives("127.0.0.1", space="server")
    found = way.finds("AUTH002", name="cleartext refused, no TLS")
    way.paste(found)
    assert way.arrives(SERVER)
    way.finds()


def test_auth002_is_silent_where_it_blocks_nobody(start: Start) -> None:
    """TLS is offered; the clients are trusted; nobody else can connect."""
    way = start(EVERYWHERE)
    refuse = "disable_plaintext_auth = yes" if way.lab.dialect == "2.3" else "auth_allow_cleartext = no"
    way.authority.sign(SERVER)
    trust = way.authority.trust()
    way.reload(f"{EVERYWHERE}{refuse}\n" + way.authority.settings(way.lab.dialect))
    assert not way.arrives(SERVER)
    assert way.arrives(SERVER, tls=trust)
    way.finds()
    way.reload(f"{EVERYWHERE}{refuse}\nlogin_trusted_networks = 198.51.100.0/24\n")
    assert way.arrives(SERVER)
    way.finds()
    way.reload(f"{refuse}\n")
    assert way.arrives("127.0.0.1", space="server")
    way.finds()
