"""The Dovecot that is logged in to: its configuration, and what listens."""

from collections.abc import Callable
from typing import Any, TypeVar

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve
from mailauth.evidence import Listening, NotApplicable
from mailauth.evidence.postfix import PostfixPorts
from mailauth.probes.network import configured, in_network, observe_listening, served
from mailauth.probes.postfix_ports import observe_postfix
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Site:
    """``listening`` is None where nothing is served, ``postfix`` where nobody looked for one."""

    dovecot: Installation
    config: AuthConfig
    listening: Listening | None
    postfix: PostfixPorts | None = None

    @property
    def auth_socket(self) -> str:
        return f"{self.config.base_dir}/auth-client"

    def scene(self, user: str = "") -> Scene:
        return Scene(self.dovecot, self.config, user)

    def inside(self, ask: Callable[[], _T], form: Any) -> _T:
        """Ask in this Dovecot's network; in ours, where an ordinary user may not see that it is another.

        ``form`` as of ``Installation.inside``.  Raises CannotObserve when we may not.
        """
        return in_network(self.scene(), ask, form, else_ours=True)


def look_at(dovecot: Installation, *, postfix: bool = False) -> Site:
    """``postfix``: look for one that asks this Dovecot, too.

    Raises UsageError when the configuration is refused, CannotObserve when there is no Dovecot.
    """
    config = read_config(dovecot)
    scene = Scene(dovecot, config)
    try:
        listening = observe_listening(scene)
    except CannotObserve:  # an ordinary user may not look; a connection tells as well
        protocols = served(config)
        listeners = configured(config, protocols)
        listening = Listening("doveconf", False, protocols, protocols, listeners, ())
    return Site(
        dovecot,
        config,
        None if isinstance(listening, NotApplicable) else listening,
        observe_postfix(scene) if postfix else None,
    )
