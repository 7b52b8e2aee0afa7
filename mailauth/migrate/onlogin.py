"""What rehashing on login is set to, and the text that makes Dovecot report logins to it.

Dovecot's auth policy hook reports each login when it is over, without waiting for an answer.  What it
reports is a template of ours, and the password in it is sealed (see ``seal``).  2.4 can seal inside the
template; 2.3 takes no "=" there, so the passdb makes the sealed field and the template refers to it.

Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-policy.c, auth-settings.c, passdb.c.
"""

from pathlib import Path

import msgspec

from mailauth import private
from mailauth.dovecot.version import Dialect
from mailauth.migrate.goal import Goal

FIELD = "mailauth_sealed"


class OnLogin(msgspec.Struct, frozen=True):
    """The service's settings.  The key and the token are secrets: the file is readable by root only."""

    key: str
    token: str
    port: int
    config: str  # Dovecot's main configuration file
    scheme: str
    options: dict[str, int | str]
    long_too: bool = False
    pid: int | None = None  # of a Dovecot in another root
    accept_loss: bool = False  # of mechanisms that the old string serves, and the new hash does not

    def __repr__(self) -> str:
        return f"OnLogin(port={self.port}, scheme={self.scheme!r})"

    @property
    def goal(self) -> Goal:
        return Goal(self.scheme, tuple(self.options.items()))


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
        f"auth_policy_server_api_header = {settings.token}\n"
        f"auth_policy_hash_nonce = {settings.token}\n"
        "auth_policy_check_before_auth = no\n"
        "auth_policy_check_after_auth = no\n"
        "auth_policy_report_after_auth = yes\n"
    )
    if dialect == "2.3":
        attributes = f"auth_policy_request_attributes = user=%{{user}} sealed=%{{passdb:{FIELD}}}\n"
    else:
        attributes = (
            "auth_policy_request_attributes {\n"
            "  user = %{user}\n"
            f"  sealed = %{{password | encrypt(key='{settings.key}', rounds=1)}}\n"
            "}\n"
        )
    return common + attributes


def passdb_settings(settings: OnLogin, override_fields: str) -> str:
    """2.3 only: what each passdb block must include; ``override_fields`` are those it has already."""
    own = f"{FIELD}=%{{encrypt;key={settings.key}:password}}"
    return f"override_fields = {f'{override_fields} {own}'.strip()}\n"


def unit_text(program: str) -> str:
    """A systemd unit that runs the service and starts it again when it ends."""
    return (
        "[Unit]\n"
        "Description=mailauth: give users a new password hash when they log in\n"
        "After=network.target dovecot.service\n"
        "\n"
        "[Service]\n"
        f"ExecStart={program} migrate on-login serve\n"
        "Restart=always\n"
        "RestartSec=2\n"
        "Nice=10\n"
        "ProtectHome=read-only\n"
        "PrivateTmp=no\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )
