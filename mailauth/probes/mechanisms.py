"""How a client may authenticate: the mechanisms offered, and passwords without TLS."""

from pathlib import Path

from mailauth.dovecot import conffiles
from mailauth.dovecot.conf import words
from mailauth.errors import CannotObserve
from mailauth.evidence import Cleartext, Mechanisms, NotApplicable
from mailauth.hashes import Flaw
from mailauth.probes.scene import Scene

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
    local = any(block.kind in ("local", "remote") for block in tree.walk())
    mechanism = scene.mechanism.upper()
    return Cleartext(
        "doveconf",
        allowed=allowed and tree.get("ssl") != "required",
        tls=tree.get("ssl", "yes") != "no",
        excepted=bool(words(tree, "login_trusted_networks")) or proxied or local,
        needed=mechanism in _SENDING if mechanism else set(_offered(scene)) <= _SENDING,
    )


def _offered(scene: Scene) -> tuple[str, ...]:
    """The mechanisms; PLAIN where none is named."""
    return scene.config.mechanisms or ("PLAIN",)
