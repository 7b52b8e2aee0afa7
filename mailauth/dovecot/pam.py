"""How a passdb of the driver pam asks PAM, in either dialect.

Source: Dovecot 2.3.19.1 src/auth/passdb-pam.c, pam_preinit(); 2.4.1 the same file, auth_pam_default_settings.
"""

from mailauth.dovecot import v24
from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.records import dataclass

_DEFAULT = "dovecot"
_FLAGS = ("-session", "session=yes", "setcred=yes", "blocking=yes", "failure_show_msg=yes")
_VALUES = ("cache_key=", "max_requests=")
_NAMES = ("passdb_pam_service_name", "pam_service_name", "service_name")


@dataclass(frozen=True, slots=True)
class PamRequest:
    """PAM's service, with Dovecot's variables; whether a session is opened in it; where that is set."""

    service: str
    session: bool
    place: str


def read(config: AuthConfig, passdb: Passdb) -> PamRequest:
    """What a passdb of the driver pam asks."""
    tree = config.tree
    block = tree.all("passdb")[passdb.number - 1]
    if config.version.dialect == "2.3":
        words = block.get("args").split()
        place = passdb.place_of("args") or passdb.label
        return PamRequest(_service(words), bool({"-session", "session=yes"} & set(words)), place)
    place = passdb.place_of(*_NAMES) or passdb.label
    named = next(filter(None, (v24.effective(tree, block, name) for name in _NAMES)), _DEFAULT)
    return PamRequest(named, v24.effective(tree, block, "passdb_pam_session") == "yes", place)


def _service(words: list[str]) -> str:
    """The last word that is no option; "*" is the protocol's name in lower case."""
    found = _DEFAULT
    for word in words:
        if word == "*":
            found = "%Ls"
        elif word not in _FLAGS and not word.startswith(_VALUES):
            found = word
    return found
