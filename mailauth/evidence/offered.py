"""How a client may authenticate, and what the auth cache answers."""

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Mechanisms(Evidence):
    """The SASL mechanisms that auth offers, and the schemes that the user's stored strings have.

    ``used``: the one that the client uses, "" where that was not said.  ``place``: file and line of
    auth_mechanisms, "" where no file has it.
    """

    offered: tuple[str, ...]
    used: str
    schemes: tuple[str, ...]
    place: str = ""

    @property
    def setting(self) -> str:
        """Its name, and where it is set."""
        return f"auth_mechanisms ({self.place or 'not set: its default'})"

    @property
    def seen(self) -> str:
        return f"offered: {', '.join(self.offered)}; stored: {', '.join(self.schemes)}"


@dataclass(frozen=True, slots=True)
class Cleartext(Evidence):
    """Whether a password may be sent without TLS.

    ``excepted``: some clients may all the same (trusted networks, a proxy that speaks TLS, settings for
    an address), so that who is refused depends on where a client is.  ``needed``: the client sends its
    password, or every mechanism does.
    """

    allowed: bool
    tls: bool
    excepted: bool
    needed: bool

    @property
    def seen(self) -> str:
        allowed = "allowed" if self.allowed else "refused"
        return f"TLS is {'offered' if self.tls else 'not offered'}; passwords without it are {allowed}"


@dataclass(frozen=True, slots=True)
class CacheAnswer(Evidence):
    """What the auth cache may have to say of the user, seen after the logins.

    ``caches``: a passdb that has the user is answered from the cache.  ``with_worker``: a cached entry
    that does not match is final (auth_cache_verify_password_with_worker).  ``knows``: whether Dovecot's
    own lookup, which the cache answers, knows the user; None where it did not say.
    ``restricts``: the entry's fields, or settings, that refuse a login for another reason.
    """

    user: str
    caches: bool
    with_worker: bool = False
    knows: bool | None = None
    restricts: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        if not self.caches:
            return "the auth cache does not answer for the user's passdb"
        known = {True: "knows the user", False: "says that there is no such user", None: "did not say"}
        return f"the auth cache is on; Dovecot's lookup {known[self.knows]}"
