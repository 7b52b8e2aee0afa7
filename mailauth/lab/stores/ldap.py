"""Users in a directory: entries of a private slapd, below ou=people."""

from pathlib import Path
from typing import Literal

from mailauth.errors import UsageError
from mailauth.hashes.schemes import ITSELF
from mailauth.lab.ports import HOST
from mailauth.lab.settings import LabPlace
from mailauth.lab.slapd import PEOPLE, READER, Slapd
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, as_crypt, block, ended

Way = Literal["lookup", "bind", "template"]
Tls = Literal["", "starttls", "ldaps"]

_SPECIAL = ',+"\\<>;='  # RFC 4514 section 2.4
# What slapd knows by itself besides {CRYPT}: OpenLDAP 2.5.13, libraries/liblutil/passwd.c.
_SLAPDS = ("SSHA", "SHA", "SMD5", "MD5")


class LdapStore:
    """Entries ``uid=NAME,ou=people,dc=lab``.

    ``way``: whether Dovecot reads userPassword, binds as the entry that it found, or as a template's.
    """

    driver = "ldap"
    path: Path | None = None
    binds: tuple[tuple[str, str], ...] = ()

    def __init__(self, site: Site, way: Way = "lookup", tls: Tls = "") -> None:
        self._way, self._tls = way, tls
        self.ca: Path | None = None
        certificate = None
        if tls:
            from mailauth.lab.certificate import issue  # noqa: PLC0415 - 45 ms, and only with TLS

            self.ca, certificate = issue(site.folder, "ldap")
        self.server = Slapd(site.household, site.free_port(), site.free_port() if tls else 0, certificate)
        self.url = self.server.control
        port = self.server.secured if tls == "ldaps" else self.server.port
        self.place = LabPlace(
            host=HOST, port=port, user=READER, password=self.server.password, database=PEOPLE
        )

    def passdb(self, wish: Wish) -> Passdb:
        scheme = "ldaps" if self._tls == "ldaps" else "ldap"
        uri = f"{scheme}://{self.place.host}:{self.place.port}"
        if wish.dialect == "2.3":
            file = wish.folder / "dovecot-ldap.conf.ext"
            text = self._file(uri) + ended(wish.sql_extra)
            return Passdb(block("ldap", wish, f"args = {file}"), {file: text})
        return Passdb(self._server(uri) + block("ldap", wish, *self._asked(), wish.sql_extra))

    def _file(self, uri: str) -> str:
        """2.3's dovecot-ldap.conf.ext."""
        place = self.place
        text = f"uris = {uri}\ndn = {place.user}\ndnpass = {place.password}\nbase = {place.database}\n"
        text += "pass_filter = (&(objectClass=inetOrgPerson)(uid=%u))\n"
        if self._tls:
            text += f"tls_ca_cert_file = {self.ca}\ntls_require_cert = demand\n"
        if self._tls == "starttls":
            text += "tls = yes\n"
        match self._way:
            case "lookup":
                return text + "pass_attrs = uid=user,userPassword=password\n"
            case "bind":
                return text + "pass_attrs = uid=user\nauth_bind = yes\n"
            case "template":
                return text + f"auth_bind = yes\nauth_bind_userdn = uid=%u,{place.database}\n"

    def _server(self, uri: str) -> str:
        """2.4's settings of the server.

        Its ssl_client_ca_file does not reach libldap (measured, 2.4.1), which asks its own environment.
        """
        place = self.place
        text = f"ldap_uris = {uri}\nldap_auth_dn = {place.user}\nldap_auth_dn_password = {place.password}\n"
        text += f"ldap_base = {place.database}\n"
        if self._tls:
            text += f"import_environment {{\n  LDAPTLS_CACERT = {self.ca}\n}}\n"
        if self._tls == "starttls":
            text += "ldap_starttls = yes\n"
        return text

    def _asked(self) -> tuple[str, ...]:
        """What 2.4 has inside the passdb block."""
        filtered = "filter = (&(objectClass=inetOrgPerson)(uid=%{user}))"
        match self._way:
            case "lookup":
                fields = "  user = %{ldap:uid}\n  password = %{ldap:userPassword}"
                return (filtered, f"fields {{\n{fields}\n}}")
            case "bind":
                return (filtered, "bind = yes", "fields {\n  user = %{ldap:uid}\n}")
            case "template":
                return (filtered, "bind = yes", f"bind_userdn = uid=%{{user}},{self.place.database}")

    def users(self) -> dict[str, str | None]:
        found = self.server.search(PEOPLE, "(objectClass=inetOrgPerson)", "uid", "userPassword")
        return {entry["uid"][0]: entry.get("userPassword", [None])[0] for _, entry in found}

    def set_users(self, users: Users) -> None:
        self.server.remove([name_of(user) for user in self.users()])
        self.server.add({name_of(user): self._entry(user, stored) for user, stored in users.items()})

    def set_password(self, user: str, stored: str | None) -> None:
        entry = self._entry(user, stored)
        self.remove(user)
        self.server.add({name_of(user): entry})

    def remove(self, user: str) -> None:
        self.server.remove([name_of(user)])

    def _entry(self, user: str, stored: str | None) -> dict[str, list[str]]:
        entry = {"objectClass": ["inetOrgPerson"], "uid": [user], "cn": [user], "sn": [user]}
        if stored is None:
            return entry
        return {**entry, "userPassword": [stored if self._way == "lookup" else for_slapd(stored)]}

    def close(self) -> None:
        """Nothing to do: slapd ends with the lab's household."""


def name_of(user: str) -> str:
    """The distinguished name of a user's entry."""
    escaped = "".join(f"\\{one}" if one in _SPECIAL else one for one in user)
    if user[:1] in {" ", "#"}:
        escaped = f"\\{escaped}"
    if user.endswith(" ") and len(user) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return f"uid={escaped},{PEOPLE}"


def for_slapd(stored: str) -> str:
    """A stored string as slapd verifies it, when Dovecot binds.  Raises UsageError where it cannot."""
    scheme, _, rest = stored[1:].partition("}")
    if not stored.startswith("{") or scheme.upper() in _SLAPDS:
        return stored
    if scheme.upper() in ITSELF:
        return rest
    try:
        return f"{{CRYPT}}{as_crypt(stored, 'slapd')}"
    except UsageError as why:
        known = ", ".join(f"{{{one}}}" for one in _SLAPDS)
        raise UsageError(f"slapd verifies {known} and strings of crypt(3); not {{{scheme}}}.") from why
