"""What slapd's password policy (ppolicy) makes of an exchanged string: to it, that is a new password.

From the database's rootdn it takes an exchange; from anybody else it takes the old string for a password
that is given, and refuses.

Source: OpenLDAP 2.5.13 servers/slapd/overlays/ppolicy.c (ppolicy_modify), and measured;
draft-behera-ldap-password-policy-10.
"""

from collections.abc import Iterator, Mapping, Sequence

from mailauth.stores.directed import LOCKED_SINCE
from mailauth.stores.libldap import Connection, Entry, LdapError
from mailauth.stores.swaps import Obstacle

ATTRIBUTE = "userpassword"  # of no other does slapd's policy know
RESET = "pwdReset"
_CONTROL = b"1.3.6.1.4.1.42.2.27.8.5.1"  # of the draft: what makes a server list it
_PAGE = 500
_NAMED = 3
_NEW = (
    "this server has a password policy (ppolicy), to which a new string is a new password: it counts the age"
    " (pwdMaxAge) from then, so that an expired password is valid again; entries that are locked"
    f" ({LOCKED_SINCE}) or must change their password ({RESET}) are left, since it would end that"
)
_HISTORY = "pwdInHistory in {}: old strings, plaintexts too, stay in pwdHistory, also after an undo"
_UNSEEN = (
    "its policies (objectClass=pwdPolicy) could not be read: look for pwdMustChange (each user would have to"
    " change the password) and pwdInHistory (old strings are kept)"
)
_HIDDEN = (32, 50)  # noSuchObject, insufficientAccessRights: RFC 4511 appendix A.1
_MUST_CHANGE = (
    "pwdMustChange in {}: slapd would mark each user as one who must change the password at the next bind"
    " (pwdReset): set it to FALSE until all is done"
)
_LOCKED = f"it is locked ({LOCKED_SINCE}), and a new string would unlock it"
_RESET = f"its password must be changed at the next bind ({RESET}), and a new string would end that"


def there(link: Connection) -> bool:
    """Whether the server has it.  Raises LdapError."""
    _, root = link.search("", "base", "(objectClass=*)", ("supportedControl",), most=1)
    return _CONTROL in dict(root.values).get("supportedcontrol", ())


def obstacles(link: Connection, base: str) -> Iterator[Obstacle]:
    """Of all policies of the database that ``base`` is in, whoever they are for.  Raises LdapError."""
    try:
        found = _policies(link, base)
    except LdapError as why:
        if why.code not in _HIDDEN:
            raise
        yield from (Obstacle(_NEW), Obstacle(_UNSEEN))
        return
    must = [one.name for one in found if dict(one.values).get("pwdmustchange") == (b"TRUE",)]
    keeps = [one.name for one in found if dict(one.values).get("pwdinhistory") not in ((), (b"0",))]
    if must:
        yield Obstacle(_MUST_CHANGE.format(_some(must)), stops=True)
    yield Obstacle(_NEW)
    if keeps:
        yield Obstacle(_HISTORY.format(_some(keeps)))


def _policies(link: Connection, base: str) -> list[Entry]:
    _, root = link.search("", "base", "(objectClass=*)", ("namingContexts",), most=1)
    names = [one.decode("utf-8", "surrogateescape") for one in dict(root.values).get("namingcontexts", ())]
    around = [one for one in names if base.lower().endswith(one.lower())]
    wanted = ("pwdInHistory", "pwdMustChange")
    return list(
        link.pages(max(around, key=len, default=base), "subtree", "(objectClass=pwdPolicy)", wanted, _PAGE)
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")


def held(values: Mapping[str, Sequence[bytes]]) -> str:
    """Why an entry with these values is left alone; "" where it is not."""
    if values.get(LOCKED_SINCE):
        return _LOCKED
    return _RESET if values.get(RESET) else ""
