"""Servers with several passdbs, of which mailauth can look into some: the configuration in both dialects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.field.directory import ADMIN, SECRET, SUFFIX, Directory
from tests.field.rig import Rig

MakeRig = Callable[..., Rig]


@dataclass(frozen=True)
class Part:
    """One passdb: its block in either dialect, and the files beside it."""

    old: str
    new: str
    files: Mapping[str, str] = field(default_factory=dict)


def passwd_file(users: Mapping[str, str], name: str = "users") -> Part:
    return Part(
        f"driver = passwd-file\n  args = @DIR@/{name}",
        f"passdb {name} {{\n  driver = passwd-file\n  passwd_file_path = @DIR@/{name}\n}}\n",
        {name: "".join(f"{user}:{stored}\n" for user, stored in users.items())},
    )


def sqlite() -> Part:
    """The table "accounts" of the rig's own database."""
    query = "SELECT login AS user, secret AS password FROM accounts WHERE login = "
    return Part(
        "driver = sql\n  args = @DIR@/sql.conf",
        f"sql_driver = sqlite\nsqlite_path = @FILE@\npassdb sql {{\n  query = {query}'%{{user}}'\n}}\n",
        {"sql.conf": f"driver = sqlite\nconnect = @FILE@\npassword_query = {query}'%u'\n"},
    )


def accounts(users: Mapping[str, str]) -> list[str]:
    """The statements that make the table "accounts"."""
    rows = [f"INSERT INTO accounts VALUES ('{user}', '{stored}')" for user, stored in users.items()]
    return ["CREATE TABLE accounts (login VARCHAR(255), secret VARCHAR(255))", *rows]


def ldap(directory: Directory, *, bind: bool) -> Part:
    text = (
        f"uris = {directory.uri}\ndn = {ADMIN}\ndnpass = {SECRET}\nbase = {SUFFIX}\n"
        f"auth_bind = {'yes' if bind else 'no'}\npass_filter = (uid=%u)\n"
        f"pass_attrs = uid=user{'' if bind else ',userPassword=password'}\n"
    )
    secret = "" if bind else "    password = %{ldap:userPassword}\n"
    return Part(
        "driver = ldap\n  args = @DIR@/ldap.conf",
        f"passdb ldap {{\n  ldap_uris = {directory.uri}\n  ldap_auth_dn = {ADMIN}\n"
        f"  ldap_auth_dn_password = {SECRET}\n  ldap_base = {SUFFIX}\n  filter = (uid=%{{user}})\n"
        f"  bind = {'yes' if bind else 'no'}\n  fields {{\n    user = %{{ldap:uid}}\n{secret}  }}\n}}\n",
        {"ldap.conf": text},
    )


def lua(user: str, password: str) -> Part:
    """A script that lets one user in."""
    script = (
        "function auth_password_verify(request, password)\n"
        f'  if request.user ~= "{user}" then return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "" end\n'
        f'  if password == "{password}" then return dovecot.auth.PASSDB_RESULT_OK, {{}} end\n'
        '  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, ""\nend\n'
        "function auth_passdb_lookup(request)\n"
        '  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""\nend\n'
    )
    return Part(
        "driver = lua\n  args = file=@DIR@/login.lua",
        "passdb lua {\n  lua_file = @DIR@/login.lua\n}\n",
        {"login.lua": script},
    )


def oauth2(port: int) -> Part:
    """2.3 only: a server of this machine says whose token it is."""
    text = f"tokeninfo_url = http://127.0.0.1:{port}/?token=\nusername_attribute = user\n"
    return Part(
        "driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = @DIR@/oauth.conf",
        "",
        {"oauth.conf": text},
    )


def from_dict(user: str, stored: str) -> Part:
    """2.3 only: a dict of one file."""
    settings = "uri = file:@DIR@/dictfile\nkey passdb {\n  key = passdb/%u\n  format = json\n}\n"
    value = f'shared/passdb/{user}\n{{"password":"{stored}"}}\n'
    files = {"dict.conf": settings + "passdb_objects = passdb\n", "dictfile": value}
    return Part("driver = dict\n  args = @DIR@/dict.conf", "", files)


PAM = Part("driver = pam", "passdb pam {\n}\n")


def static(version: str) -> str:
    """The userdb that knows everyone."""
    home = "@DIR@/mail/%u" if version < "2.4" else "@DIR@/mail/%{user}"
    if version < "2.4":
        return (
            f"userdb {{\n  driver = static\n  args = uid=5000 gid=5000 home={home} allow_all_users=yes\n}}\n"
        )
    fields = f"  fields {{\n    uid = 5000\n    gid = 5000\n    home = {home}\n  }}\n"
    return f"userdb static {{\n{fields}  userdb_static_allow_all_users = yes\n}}\n"


def userdb_file(version: str, *users: str) -> tuple[str, Mapping[str, str]]:
    """A userdb of a passwd-file with these users."""
    lines = "".join(f"{user}::5000:5000::@DIR@/mail/{user}::\n" for user in users)
    if version < "2.4":
        return "userdb {\n  driver = passwd-file\n  args = @DIR@/homes\n}\n", {"homes": lines}
    return "userdb homes {\n  driver = passwd-file\n  passwd_file_path = @DIR@/homes\n}\n", {"homes": lines}


def server(
    rig: MakeRig,
    version: str,
    *parts: Part,
    rows: Mapping[str, str] | None = None,
    more: str = "",
    userdb: tuple[str, Mapping[str, str]] | None = None,
    store: str = "sqlite",
) -> Rig:
    """A Dovecot with these passdbs in this order; ``userdb``: static() by default.

    ``rows``: of the table "accounts", in a database of the kind ``store``.
    """
    old = version < "2.4"
    head = "" if old else "dovecot_config_version = @VERSION@\ndovecot_storage_version = @VERSION@\n"
    plain = "disable_plaintext_auth = no\n" if old else "auth_allow_cleartext = yes\n"
    users, homes = userdb or (static(version), {})
    mail = "mail_location = maildir:~/Maildir\n" if old else "mail_driver = maildir\nmail_path = ~/Maildir\n"
    passdbs = "".join(f"passdb {{\n  {one.old}\n}}\n" if old else one.new for one in parts)
    text = f"{head}protocols = imap\nssl = no\nauth_verbose = yes\n{plain}{mail}{users}{passdbs}{more}"
    files = {name: text for one in parts for name, text in one.files.items()}
    return rig(
        version,
        "passwd-file" if rows is None else store,
        {"dovecot.conf": text, **files, **homes},
        accounts(rows or {}),
    )
