"""What rehashing on login is set to, and the text that makes Dovecot report logins to it.

Dovecot's auth policy hook reports each login when it is over, without waiting for an answer.  What it
reports is a template of ours, and the password in it is sealed (see ``seal``).  2.4 can seal inside the
template; 2.3 takes no "=" there, so the passdb makes the sealed field and the template refers to it.

doveconf -n hides what follows "key=" in a value, and settings whose names end in _nonce.

2.4 waits before it connects again: 100 ms after a connection is lost that had no answer yet, twice as long
after each further one, without an end (its limit of a minute is compared, but never set).  So 12 reports that
were on their way to a service that was killed kept it silent for 204 s.  Few connections and a first pause of
1 ms come to 8 ms (docs/decisions/407).  2.3 has the limit, and no such settings.

Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-policy.c, auth-settings.c, passdb.c;
src/config/doveconf.c (hide_secrets_from_value); 2.4.1 src/lib-http/http-client-peer.c
(http_client_peer_create, http_client_peer_shared_increase_backoff_timer).
"""

from pathlib import Path

import msgspec

from mailauth import private
from mailauth.dovecot.doveadm import Installation, as_kept
from mailauth.dovecot.ours import ON_LOGIN_HEADER
from mailauth.dovecot.version import Dialect
from mailauth.hashes import Password
from mailauth.listening.sockets import only_roots, users_from
from mailauth.migrate.goal import Goal
from mailauth.migrate.sealed_password import MAC_BYTES
from mailauth.migrate.where import Bind

FIELD = "mailauth_sealed"


class OnLogin(msgspec.Struct, frozen=True):
    """The service's settings.  Key, token and password are secrets: the file is readable by root only."""

    key: str
    token: str
    port: int
    config: str  # Dovecot's main configuration file
    scheme: str
    options: dict[str, int | str]
    long_too: bool = False
    pid: int | None = None  # of a Dovecot in another root
    mark: str = ""  # of that process, by which it is known again
    nonce: str = ""  # of the reports' MAC; "" in settings of a mailauth that had none
    accept_port: bool = False  # one that an ordinary user may take while nobody listens
    accept_loss: bool = False  # of mechanisms that the old string serves, and the new hash does not
    bind_name: str = ""  # who writes to a directory; "": whom Dovecot asks as
    bind_password: bytes = b""
    insecure: bool = False  # that password may go to another machine without verified TLS

    def __repr__(self) -> str:
        return f"OnLogin(port={self.port}, scheme={self.scheme!r})"

    @property
    def goal(self) -> Goal:
        return Goal(self.scheme, tuple(self.options.items()))

    @property
    def bind(self) -> Bind | None:
        """Who writes to a directory; None: whom Dovecot asks as."""
        return Bind(self.bind_name, Password(self.bind_password), self.insecure) if self.bind_name else None


def dovecot_of(settings: OnLogin) -> Installation:
    """The Dovecot that reports.  Raises UsageError where its process is another by now."""
    if settings.pid is None:
        return Installation(settings.config)
    return as_kept(settings.pid, settings.config, settings.mark, f"on-login of {settings.config}")


def load(path: Path) -> OnLogin:
    """Read the settings.  Raises OSError, Refused, and ValueError when the file is damaged."""
    try:
        return msgspec.json.decode(private.read(path), type=OnLogin)
    except msgspec.DecodeError as why:
        raise ValueError(f"{path}: {why}") from None


def dump(settings: OnLogin) -> bytes:
    return msgspec.json.format(msgspec.json.encode(settings)) + b"\n"


def policy_settings(settings: OnLogin, dialect: Dialect) -> str:
    """The global settings.  They hold the key: to be included from a file that only root can read."""
    common = (
        f"auth_policy_server_url = http://127.0.0.1:{settings.port}/\n"
        f"auth_policy_server_api_header = {ON_LOGIN_HEADER}:key={settings.token}\n"
        "auth_policy_hash_mech = sha512\n"
        f"auth_policy_hash_truncate = {8 * MAC_BYTES}\n"
        f"auth_policy_hash_nonce = {settings.nonce}\n"
        "auth_policy_check_before_auth = no\n"
        "auth_policy_check_after_auth = no\n"
        "auth_policy_report_after_auth = yes\n"
    )
    if dialect == "2.3":
        attributes = (
            f"auth_policy_request_attributes = user=%{{user}} sealed=%{{passdb:{FIELD}}}"
            " mac=%{hashed_password} master=%{master_user} login=%{orig_user} service=%{service}\n"
        )
    else:
        attributes = (
            "auth_policy_request_attributes {\n"
            "  user = %{user}\n"
            f"  sealed = %{{password | encrypt(key='{settings.key}', rounds=1)}}\n"
            "  mac = %{hashed_password}\n"
            "  master = %{master_user}\n"
            "  login = %{original_user}\n"
            "  service = %{protocol}\n"
            "}\n"
            "auth_policy {\n"
            "  http_client_max_parallel_connections = 4\n"
            "  http_client_connect_backoff_time = 1ms\n"
            "  http_client_connect_backoff_max_time = 1s\n"
            "}\n"
        )
    return common + attributes


def passdb_settings(settings: OnLogin, override_fields: str) -> str:
    """2.3 only: what each passdb block must include; ``override_fields`` are those it has already."""
    own = f"{FIELD}=%{{encrypt;key={settings.key}:password}}"
    return f"override_fields = {f'{override_fields} {own}'.strip()}\n"


def unfit(settings: OnLogin) -> str:
    """Why the service must not run with these settings, and what to do; "" where it may."""
    again = "run: mailauth migrate on-login disable --apply; mailauth migrate on-login enable --apply"
    if not settings.nonce:
        return (
            "on-login was enabled by an older mailauth, whose reports carry no MAC, and Dovecot sends them"
            f" still; {again}"
        )
    if not only_roots(settings.port) and not settings.accept_port:
        return (
            f"port {settings.port}: an ordinary user may take it while the service is down"
            f" (net.ipv4.ip_unprivileged_port_start is {users_from()}), and gets the token and sealed"
            f" passwords; {again}, with a --port below that, or with --accept-unprivileged-port"
        )
    return ""
