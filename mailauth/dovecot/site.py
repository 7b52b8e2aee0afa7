"""Ask doveconf what Dovecot is set to, and read the answer of either dialect into an AuthConfig."""

from pathlib import Path

from mailauth.dovecot import conf, v23, v24
from mailauth.dovecot.authconfig import SERVICES, AuthConfig, Service, ServiceName
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.sizes import UNSET, parse_limit, parse_size
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, UsageError


def read_config(dovecot: Installation) -> AuthConfig:
    """The configuration that decides a login, as doveconf reports it.

    Raises UsageError with Dovecot's own words when there is no such file or it has an error, and
    CannotObserve when Dovecot is not installed.
    """
    # -P because the store's password is among what it would hide; none of it leaves this process.
    ran = dovecot.run("doveconf", "-a", "-P")
    if ran.status:
        said = next((line for line in ran.err.splitlines() if "Fatal" in line or "Error" in line), ran.err)
        raise UsageError(
            f"Dovecot does not accept {dovecot.config or 'its configuration'}: "
            f"{said.removeprefix('doveconf: ').strip() or f'doveconf ended with status {ran.status}'}"
        )
    first, _, _ = ran.out.partition("\n")  # "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf"
    version = Version.parse(first)
    file = dovecot.config or first.partition("): ")[2].strip() or "/etc/dovecot/dovecot.conf"
    tree = conf.parse(ran.out)
    dialect24 = version.dialect == "2.4"
    default_limit = parse_limit(tree.get("default_vsz_limit", "256M"))
    places = _places(file, dovecot)
    return AuthConfig(
        version=version,
        file=file,
        base_dir=tree.get("base_dir", "/var/run/dovecot"),
        passdbs=v24.read_passdbs(tree) if dialect24 else v23.read_passdbs(tree, dovecot),
        services={name: _service(tree, name, default_limit, places) for name in SERVICES},
        cache_size=parse_size(tree.get("auth_cache_size", "0") or "0"),
        cache_verify_with_worker=tree.get("auth_cache_verify_password_with_worker") == "yes",
        # 2.3 takes every scheme; only 2.4 has the setting
        allow_weak=not dialect24 or tree.get("auth_allow_weak_schemes") == "yes",
        username_chars=tree.get("auth_username_chars"),
        username_translation=tree.get("auth_username_translation"),
        username_format=tree.get("auth_username_format"),
        default_realm=tree.get("auth_default_domain" if dialect24 else "auth_default_realm"),
        tree=tree,
    )


def _service(tree: conf.Block, name: ServiceName, default: int | None, places: dict[str, str]) -> Service:
    """The service's own limit; 2.3 prints 2^64-1 where none is set, 2.4 prints nothing."""
    own = ""
    for block in tree.all("service"):
        if block.name == name:
            own = block.get("vsz_limit", own).strip()
    if not own or own == f"{UNSET} B":
        return Service(name, default, own=False, place=places.get("", "default_vsz_limit"))
    return Service(name, parse_limit(own), own=True, place=places.get(name, f"service {name}"))


def _places(file: str, dovecot: Installation) -> dict[str, str]:
    """Where each vsz_limit is set: by service, and "" for default_vsz_limit.  Empty if unreadable."""
    try:
        tree = conf.read(Path(file), dovecot.path)
    except CannotObserve:
        return {}
    found = {}
    if default := tree.find("default_vsz_limit"):
        found[""] = default.place
    for block in tree.walk():
        if block.kind == "service" and (setting := block.find("vsz_limit")):
            found[block.name] = setting.place
    return found
