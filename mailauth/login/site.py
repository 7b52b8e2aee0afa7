"""The Dovecot that is logged in to: its configuration, and what listens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve
from mailauth.evidence import Listening, NotApplicable
from mailauth.probes.network import in_network, observe_listening
from mailauth.probes.scene import Scene

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Site:
    """``listening`` is None where it could not be seen, or nothing is served; ``unseen`` says why."""

    dovecot: Installation
    config: AuthConfig
    listening: Listening | None
    unseen: str = ""

    @property
    def auth_socket(self) -> str:
        return f"{self.config.base_dir}/auth-client"

    def scene(self, user: str = "") -> Scene:
        return Scene(self.dovecot, self.config, user)

    def inside(self, ask: Callable[[], _T]) -> _T:
        """Ask in this Dovecot's network.  Raises CannotObserve when we may not."""
        return in_network(self.scene(), ask)


def look_at(dovecot: Installation) -> Site:
    """Raises UsageError when the configuration is refused, CannotObserve when there is no Dovecot."""
    config = read_config(dovecot)
    try:
        listening = observe_listening(Scene(dovecot, config))
    except CannotObserve as why:
        return Site(dovecot, config, None, str(why))
    if isinstance(listening, NotApplicable):
        return Site(dovecot, config, None, listening.reason)
    return Site(dovecot, config, listening)
