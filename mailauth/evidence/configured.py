"""What Dovecot is set to."""

from dataclasses import field

from mailauth.dovecot.authconfig import AuthConfig, Service, ServiceName
from mailauth.dovecot.sizes import show_limit
from mailauth.dovecot.version import Version
from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Configured(Evidence):
    """What doveconf says: the whole model, for the rules about settings.  It holds secrets: no repr."""

    config: AuthConfig = field(repr=False)

    @property
    def version(self) -> Version:
        return self.config.version

    @property
    def file(self) -> str:
        """The main configuration file."""
        return self.config.file

    @property
    def services(self) -> dict[ServiceName, Service]:
        """The services that verify."""
        return self.config.services

    @property
    def allow_weak(self) -> bool:
        return self.config.allow_weak

    @property
    def seen(self) -> str:
        limits = ", ".join(
            f"{service.name} {show_limit(service.vsz_limit)}" for service in self.services.values()
        )
        return f"Dovecot {self.version}; vsz_limit: {limits}"
