"""The configuration text of a lab's Dovecot, in either dialect. Pure."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from mailauth.dovecot.version import Version
from mailauth.records import dataclass

AUTH_POSTFIX = "auth-postfix"
PROTOCOLS = ("imap", "pop3", "submission", "sieve")


@dataclass(frozen=True, slots=True)
class LabPlace:
    """How Dovecot reaches the store: a file, or a server's host, port, user, password and database."""

    path: Path | None = None
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, in PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """All that the configuration depends on."""

    version: Version
    folder: Path
    passdb: str  # the block of the store
    ports: Mapping[str, int]  # of PROTOCOLS, and with an "s" behind of TLS; none: authentication only
    owner: tuple[str, str] | None  # user and group, when Dovecot is not run by root
    mail_user: tuple[int, int]
    certificate: Certificate | None = None  # none: no TLS
    relay: int = 0  # the port of the SMTP server that submission hands its mail to
    postfix: bool = False  # a Postfix asks auth, at run/auth-postfix
    config_version: str | None = None  # 2.4's dovecot_config_version; none: the binary's own

    @property
    def protocols(self) -> tuple[str, ...]:
        return tuple(name for name in self.ports if name in PROTOCOLS)

    @property
    def settings_file(self) -> Path:
        return self.folder / "settings.conf"


def dovecot_conf(layout: Layout) -> str:
    """The main configuration file."""
    head = _head_23 if layout.version.dialect == "2.3" else _head_24
    parts = [head(layout), layout.passdb, _services(layout)]
    return "\n".join(parts) + f"\n!include {layout.settings_file}\n"


def _indented(*texts: str) -> str:
    return "".join(f"  {line}\n" for text in texts for line in text.splitlines())


def _common(layout: Layout) -> str:
    folder = layout.folder
    return (
        f"base_dir = {folder}/run\n"
        f"state_dir = {folder}/state\n"
        f"log_path = {folder}/log\n"
        f"protocols = {' '.join(layout.protocols)}\n"
        "listen = 127.0.0.1\n"
        f"{_tls(layout)}"
        "auth_verbose = yes\n"
        "auth_failure_delay = 0\n"
        "first_valid_uid = 1\n"
    )


def _tls(layout: Layout) -> str:
    made = layout.certificate
    if made is None:
        return "ssl = no\n"
    names = ("ssl_cert = <", "ssl_key = <")
    if layout.version.dialect == "2.4":
        names = ("ssl_server_cert_file = ", "ssl_server_key_file = ")
    return f"ssl = yes\n{names[0]}{made.cert}\n{names[1]}{made.key}\n"


def _head_23(layout: Layout) -> str:
    user, group = layout.mail_user
    home = f"{layout.folder}/mail/%u"
    return (
        _common(layout) + "disable_plaintext_auth = no\n"
        f"mail_location = maildir:{home}\n"
        f"userdb {{\n  driver = static\n  args = uid={user} gid={group} home={home}\n}}\n"
    )


def _head_24(layout: Layout) -> str:
    user, group = layout.mail_user
    home = f"{layout.folder}/mail/%{{user}}"
    version = layout.version
    number = f"{version.major}.{version.minor}.{version.patch}"
    return (
        f"dovecot_config_version = {layout.config_version or number}\n"
        f"dovecot_storage_version = {number}\n" + _common(layout) + "auth_internal_failure_delay = 0\n"
        "auth_allow_cleartext = yes\n"
        "mail_driver = maildir\n"
        f"mail_path = {home}\n"
        f"userdb static {{\n  fields {{\n    uid = {user}\n    gid = {group}\n    home = {home}\n  }}\n}}\n"
    )


def _services(layout: Layout) -> str:
    """Ports of our own; no penalty that makes one test wait for another; and what a lack of root asks for."""
    anvil = ["unix_listener anvil-auth-penalty {\n  mode = 0\n}"]
    text = ""
    if layout.owner:
        user, group = layout.owner
        text += (
            f"default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n"
        )
        anvil.append("chroot =")
    text += f"service anvil {{\n{_indented(*anvil)}}}\n"
    for protocol in layout.protocols:
        listeners = [f"inet_listener {protocol} {{\n  port = {layout.ports[protocol]}\n}}"]
        if protocol != "sieve":
            secured = layout.ports.get(f"{protocol}s", 0)
            listeners.append(f"inet_listener {protocol}s {{\n  port = {secured}\n  ssl = yes\n}}")
        no_root = ["chroot ="] if layout.owner else []
        service = "managesieve-login" if protocol == "sieve" else f"{protocol}-login"
        text += f"service {service} {{\n{_indented(*listeners, *no_root)}}}\n"
    if layout.postfix:
        text += f"service auth {{\n{_indented(f'unix_listener {AUTH_POSTFIX} {{', '  mode = 0666', '}')}}}\n"
    if layout.relay:
        text += f"submission_relay_host = 127.0.0.1\nsubmission_relay_port = {layout.relay}\n"
    return text
