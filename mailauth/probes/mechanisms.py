"""How a client may authenticate: the mechanisms offered, and passwords without TLS."""

from pathlib import Path

from mailauth.dovecot import conffiles
from mailauth.dovecot.conf import words
from mailauth.errors import CannotObserve
from mailauth.evidence import Cleartext, Mechanisms, NotApplicable
from mailauth.hashes import Flaw
from mailauth.probes.scene import Scene
from mailauth.probes.walk import among

# These send the password itself.  Source: Dovecot 2.3.19.1 src/auth/mech-*.c, MECH_SEC_PLAINTEXT.
_SENDING = frozenset({"PLAIN", "LOGIN"})


def observe_mechanisms(scene: Scene) -> Mechanisms | NotApplicable:
    """What is offered, and what is stored for the user."""
    schemes = tuple(
        dict.fromkeys(case.hash.scheme.name for case in scene.cases if not isinstance(case.hash, Flaw))
    )
    if not schemes:
        return NotApplicable(Mechanisms, "there is no stored hash")
    used = scene.mechanism.upper()
    return Mechanisms("auth_mechanisms", _offered(scene), used, schemes, place=_place(scene))


def _place(scene: Scene) -> str:
    try:
        found = conffiles.read(Path(scene.config.file), scene.dovecot.path).find("auth_mechanisms")
    except CannotObserve:
        return scene.config.file
    return found.place if found else ""


def observe_cleartext(scene: Scene) -> Cleartext:
    """Whether passwords may be sent without TLS.  All of it is configuration."""
    tree = scene.config.tree
    if scene.config.version.dialect == "2.3":
        allowed = tree.get("disable_plaintext_auth", "yes") == "no"
    else:
        allowed = tree.get("auth_allow_cleartext", "no") == "yes"
    services = [block for block in tree.all("service") if block.name.endswith("-login")]
    proxied = any(
        listener.get("haproxy") == "yes" for block in services for listener in block.all("inet_listener")
    )
    mechanism = scene.mechanism.upper()
    return Cleartext(
        "doveconf",
        allowed=allowed and tree.get("ssl") != "required",
        tls=tree.get("ssl", "yes") != "no",
        excepted=proxied or _excepted(scene),
        needed=mechanism in _SENDING if mechanism else set(_offered(scene)) <= _SENDING,
    )


_SELF = ("127.0.0.1", "::1")


def _excepted(scene: Scene) -> bool:
    """Whether other settings may count for some client, or for the one whose address is known."""
    blocks = [block for block in scene.config.tree.walk() if block.kind in ("local", "remote")]
    trusted = words(scene.config.tree, "login_trusted_networks")
    unknown = any(block.kind == "local" or not among(block.name, "") for block in blocks)  # or a host's name
    if not scene.address or unknown:
        return bool(trusted or blocks)
    nets = " ".join([*trusted, *(block.name for block in blocks)])
    return scene.address in _SELF or among(nets, scene.address)


def _offered(scene: Scene) -> tuple[str, ...]:
    """The mechanisms; PLAIN where none is named."""
    return scene.config.mechanisms or ("PLAIN",)
