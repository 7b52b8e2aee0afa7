"""The oauth2 settings that decide what becomes of a token, in one form for both dialects."""

from dataclasses import field

from mailauth.dovecot.version import Dialect
from mailauth.records import dataclass

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are taken: the file and the folder of CAs, each or "", or ``any_one``."""

    file: str
    folder: str
    any_one: bool = False


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Of one passdb (2.3), or of the mechanisms (2.4).  URLs and the client's secret: no repr.

    ``mode``: auth, get, post or local.  ``strict``: an active attribute that is missing refuses, and a JSON
    web token's audience and scope count (2.3.21 and later).  ``keys``: the folder of the keys; ``grace``:
    seconds that a token may have expired.
    """

    dialect: Dialect
    place: str
    mode: str
    strict: bool
    tokeninfo_url: str = field(repr=False)
    introspection_url: str = field(repr=False)
    force_introspection: bool
    client_id: str
    client_secret: str = field(repr=False)
    username_format: str
    username_attribute: str
    active_attribute: str
    active_value: str
    scope: tuple[str, ...]
    issuers: tuple[str, ...]
    keys: str
    trust: Trust
    grace: int
    older: bool  # a token that is valid before it was issued is refused
    ahead: int  # seconds that a token's times may be ahead of ours
