"""Log in for real: through the auth socket, and with ``doveadm auth test``, which knows PLAIN only.

Both leave traces (the log, last-login plugins), so they are made only when asked for, one attempt each.
The auth socket is asked not to count a failure as a penalty.
"""

import re
import time

from mailauth.clients.sasl import PLAIN, CannotSayError, Mechanism, find
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve, NoAnswerInTime
from mailauth.evidence import Evidence, LoginReply, Logins, NotApplicable
from mailauth.evidence.logins import NO_ANSWER
from mailauth.hashes import Password
from mailauth.probes import own_client
from mailauth.probes.scene import PATIENCE, Scene
from mailauth.probes.walk import PROXIED

# doveadm loads mail_plugins, too.  Source: src/lib/module-dir.c of 2.3.19.1 and 2.4.1; measured.
_NOT_STARTED = re.compile(r"Fatal: (?:Couldn't load required plugin|Plugin '.*' not found from directory)")
# A request that no connection of auth's pool is free for fails after a minute, and so does the next one.
# Source: Dovecot 2.3.19.1 src/lib-sql/driver-sqlpool.c, driver_sqlpool_timeout.
_GAVE_UP, _LONG = "temp_fail", 20.0


def observe_logins(scene: Scene) -> Logins:
    """One login by each way.  Raises CannotObserve when Dovecot does not answer or forbids it."""
    assert scene.password
    dovecot, config, user, service = scene.dovecot, scene.config, scene.user, scene.service
    password = scene.password
    path = f"{config.base_dir}/auth-client"
    if not scene.address and scene.road and scene.road.by_address:
        raise CannotObserve(
            "the entry has allow_nets, and a login from no address says nothing of one from the client's:"
            " name that with --from-address."
        )
    mechanism = mechanism_of(scene)
    try:
        exchange = mechanism.start(user, password.raw)
        with AuthSocket(dovecot.path(path), timeout=scene.patience) as socket:
            reply = socket.authenticate(
                mechanism.name,
                exchange.answer,
                begins=mechanism.begins,
                service=service,
                address=own_client.address(scene),
                client=own_client.to_socket(scene),
            )
    except CannotSayError as why:
        raise CannotObserve(f"{why}.") from why
    except NoAnswerInTime:
        if scene.patience >= PATIENCE:
            raise
        # It waits for a database that did not answer us, either: doveadm would wait as long.
        return Logins(path, (LoginReply("auth socket", False, NO_ANSWER, scene.patience),))
    # The auth process says OK to these; the login process then sends the client away, or passes it on.
    names = {field.partition("=")[0] for field in reply.fields}
    nologin = "nologin" in names and not names & PROXIED
    by = "" if mechanism is PLAIN else f" by {mechanism.name}"
    code = "nologin" if nologin else reply.code
    at_socket = LoginReply(f"auth socket{by}", reply.ok and not nologin, code, reply.seconds)
    if not at_socket.ok and not at_socket.code and (why_not := own_client.another(scene)):
        raise CannotObserve(why_not)
    if mechanism is not PLAIN:
        return Logins(path, (at_socket,))
    if at_socket.code == _GAVE_UP and at_socket.seconds > _LONG:
        return Logins(path, (at_socket,))  # auth waited for its database; doveadm asks the same auth
    if not at_socket.ok and not scene.address and own_client.by_address(scene):
        return Logins(path, (at_socket,))  # doveadm's failure would hold back who comes from this machine
    return Logins(path, (at_socket, *_by_doveadm(scene, password, with_address=at_socket.ok)))


def _by_doveadm(scene: Scene, password: Password, *, with_address: bool) -> tuple[LoginReply, ...]:
    """The same asked by ``doveadm auth test``; nothing where doveadm itself does not start.

    ``with_address``: as from the address of which auth took the login: a passdb that was not looked into may
    let in from there only, and no failure is to be expected that would count as a penalty.
    """
    began = time.monotonic()
    # Without a password argument doveadm reads it from standard input (doveadm-auth.c, t_askpass).
    ran = scene.dovecot.run(
        *("doveadm", "auth", "test", "-x", f"service={scene.service}"),
        *own_client.to_doveadm(scene, with_address=with_address),
        *("--", scene.user),
        feed=password.raw + b"\n",
        timeout=PATIENCE,
    )
    took = time.monotonic() - began
    # 2.3 ends with 77 for any failure, 2.4 with 75 for internal ones: the reply's code tells more.
    code = next((line.strip().removeprefix("code=") for line in ran.out.splitlines() if "code=" in line), "")
    if _NOT_STARTED.search(ran.err):
        return ()
    return (LoginReply("doveadm auth test", ran.status == 0, code, took),)


def mechanism_of(scene: Scene) -> Mechanism:
    """The mechanism that the passdbs were followed for.  Raises CannotObserve where we do not speak it."""
    name = scene.road.mechanism if scene.road else scene.mechanism or "PLAIN"
    if (found := find(name)) is None:
        raise CannotObserve(f"mailauth does not log in by {name}; a client that does shows it.")
    return found


def without_login(scene: Scene, kind: type[Evidence]) -> NotApplicable:
    """No login was asked for.  Raises CannotObserve where only one shows what else has a say."""
    tree = scene.config.tree
    if tree.get("auth_policy_server_url"):
        raise CannotObserve(
            "auth_policy_server_url: a policy server has a say, and what it says shows only in a real login:"
            " mailauth diagnose --login -p USER"
        )
    if tree.get("auth_ssl_require_client_cert") == "yes":
        raise CannotObserve(
            "auth_ssl_require_client_cert = yes: only a client with a certificate is let in, and whether this"
            " one has shows only in its own login: openssl s_client -cert FILE -connect HOST:993"
        )
    for block in tree.all("service"):
        if block.name in ("auth", "auth-worker") and block.get("chroot"):
            raise CannotObserve(
                f"service {block.name} has a chroot, in which its files may not be; only a real login"
                " shows it: mailauth diagnose --login -p USER"
            )
    entries = scene.road.entries.values() if scene.road else ()
    if scene.password and any(entry.values.keys() & PROXIED for entry in entries):
        raise CannotObserve(
            "the entry passes the user on to another server (proxy), and what that says of the password shows"
            " only in a real login: mailauth diagnose --login -p USER"
        )
    return NotApplicable(kind, "no login was asked for")
