"""What slapd would make of an exchange of values: it makes it, says what came of it, and takes it back.

Source: OpenLDAP 2.5.13 servers/slapd/back-mdb/modify.c and include/ldap.h (LDAP_CONTROL_NOOP,
LDAP_NO_OPERATION); servers/slapd/overlays/ppolicy.c (ppolicy_modify), and measured.
"""

from collections.abc import Sequence

from mailauth.records import dataclass
from mailauth.stores.libldap import Connection, LdapError

_NOOP = "1.3.6.1.4.1.4203.666.5.2"  # draft-zeilenga-ldap-noop; slapd knows it and does not list it
_NO_OPERATION, _NO_SUCH_VALUE = 0x410E, 16  # RFC 4511 appendix A.1
_SLAPD = b"OpenLDAProotDSE"

Steps = Sequence[Sequence[bytes]]
"""Values that are deleted, and that are added, by turns."""


@dataclass(frozen=True, slots=True)
class Dry:
    """``code`` 0: it would be done.  ``made_other``: but another value would be stored than was given."""

    code: int
    says: str = ""
    made_other: bool = False


def possible(link: Connection) -> bool:
    """Whether the server is slapd: another might take no notice of the control, and write."""
    try:
        _, entry = link.search("", "base", "(objectClass=*)", ("structuralObjectClass",), most=1)
    except LdapError:
        return False
    return dict(entry.values).get("structuralobjectclass") == (_SLAPD,)


def exchange(
    link: Connection,
    name: str,
    attribute: str,
    values: tuple[Sequence[bytes], Sequence[bytes]],
    seconds: int,
    controls: Sequence[tuple[str, bytes]] = (),
) -> Dry:
    """Of the first values for the others.  Raises LdapError where there is no answer.

    To delete the new value in the same modification fails where the server has made another one of it.
    """

    def tried(steps: Steps) -> Dry:
        number = link.send_exchange(name, attribute, steps, ((_NOOP, b""), *controls))
        reply = link.reply(number, seconds, attribute)
        if reply.code == 0:  # what no slapd of ours does
            link.reply(link.send_exchange(name, attribute, values[::-1]), seconds, attribute)
            raise LdapError(_NO_OPERATION, "the server made a change that it was to take back")
        return Dry(0 if reply.code == _NO_OPERATION else reply.code, reply.says)

    done = tried(values)
    if done.code or not values[1]:
        return done
    if tried((*values, values[1][:1])).code != _NO_SUCH_VALUE:
        return done
    again = tried(values)  # or somebody else has changed it
    return again if again.code else Dry(0, made_other=True)
