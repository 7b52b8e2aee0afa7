"""What a login of our own says of its client, to the auth socket and to doveadm.

Source: Dovecot 2.3.13, 2.3.19.1 and 2.4.1 src/auth/auth-request-fields.c for the names in the auth protocol,
src/doveadm/doveadm-auth.c for those that ``-x`` takes: what it does not know it passes on as it is.
"""

from mailauth.probes import client_values
from mailauth.probes.scene import Scene

NO_CERTIFICATE = (
    "auth_ssl_require_client_cert = yes: only a client with a certificate is let in, and our own login has"
    " none; openssl s_client -cert FILE -connect HOST:993 logs in with one."
)
# What nobody but the client's own login has.  The PID is the process that asks.
_SAID = ("session", "lip", "lport", "rport", "local_name")


def to_socket(scene: Scene) -> tuple[str, ...]:
    """All but the client's address.  A login whose TLS nobody asks for is "secured"."""
    client = client_values.sent(scene)
    return (*_secured(client), *(f"{name}={client[name]}" for name in _SAID if name in client))


def address(scene: Scene) -> str:
    """Where the client is, for the auth socket."""
    return client_values.sent(scene)["rip"]


def to_doveadm(scene: Scene, *, with_address: bool = False) -> tuple[str, ...]:
    """The same as options; the address where it was named, a passdb decides by it, or ``with_address``.

    2.3 counts a failure of doveadm towards the penalty of the address (measured on 2.3.19.1).
    """
    client = client_values.sent(scene)
    words = [f"{name}={client[name]}" for name in _SAID if name in client]
    if "secured" in client:
        words += _secured(client)
    if scene.address or with_address or by_address(scene):
        words.append(f"rip={client['rip']}")
    return tuple(word for one in words for word in ("-x", one))


def by_address(scene: Scene) -> bool:
    """Whether a passdb decides by the client's address."""
    return "rip" in client_values.names(scene)


def another(scene: Scene) -> str:
    """Why a login of our own that fails says nothing of the client's; "" where it does."""
    if scene.config.tree.get("auth_ssl_require_client_cert") == "yes":
        return NO_CERTIFICATE
    client = client_values.sent(scene)
    if told := client_values.refused(scene, client):
        return (
            f"our own login was one with {told}, for which the passdb has another answer: name the client's"
            " address with --from-address, the server's with --host."
        )
    unsaid = sorted(client_values.names(scene) - client.keys() - {"pid"})
    if unsaid:
        names = " and ".join(f"%{{{name}}}" for name in unsaid)
        return f"a passdb decides by {names}, which only the client's own login has."
    return ""


def _secured(client: client_values.Values) -> tuple[str, ...]:
    how = client.get("secured", "secured")
    return () if not how else ("secured=tls",) if how == "TLS" else ("secured",)
