"""Dovecot is set to write passwords into its log.

What you see
    Nothing: logins work.  The log has "(given password: ...)", "SCHEME(...) != '...'" or "resp=...".
Why
    auth_verbose_passwords = plain (or yes, which is the same) logs the password of each failed login as it
    was typed, with auth_verbose = no, too; plain:N logs its first N characters.  It is often the right one
    with one wrong letter, or the user's password of another service.  sha1 logs its SHA-1, which has no
    salt: a list of passwords shows which one it is.  The manual's sha1:6 tells whether two are the same, and
    not which they are: one in 16 million (16^6) passwords has the same six digits.
    auth_debug_passwords = yes logs what the client sends, where the login works, too: with PLAIN and LOGIN
    that is the password in Base64.  Set for one protocol alone, it logs the password of a failed login and
    the stored string, while auth_debug = yes.
    More people and programs read a log than the passwords' database, and backups keep it.
How we know
    doveconf says so; the log itself was not searched.  What each value logs was measured on 2.3.13, 2.3.19.1,
    2.3.21.1, 2.4.1 and 2.4.5.
What to do
    Take the setting out, or paste the text below: with sha1:6 mailauth still sees that a client sends an old
    password.  Then remove the passwords from the log, and from rotated logs and copies.

Source: auth_settings_check() and auth_verify_verbose_password(), Dovecot 2.3.19.1 and 2.4.1
src/auth/auth-settings.c; auth_request_append_password() in auth-request.c.
"""

from collections.abc import Iterator

from mailauth import digits
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.evidence import Configured
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.records import dataclass
from mailauth.remedies import RELOAD, Part, Setting, block, both, remedy

_DEBUG = "auth_debug_passwords"
_FAILED = "auth_verbose_passwords"
_INSTEAD = {_DEBUG: "no", _FAILED: "sha1:6"}  # the manual's own example
_FEW = 8  # hexadecimal digits: 16^8 is 4.3e9, so that a list of as many passwords has others with the same


@dataclass(frozen=True, slots=True)
class _Logged:
    """A setting that has passwords logged; ``protocol`` "": for all of them."""

    name: str
    value: str
    protocol: str
    what: str
    severity: Severity

    @property
    def says(self) -> str:
        where = f" (protocol {self.protocol})" if self.protocol else ""
        return f"{self.name} = {self.value}{where} logs {self.what}."

    @property
    def instead(self) -> Part:
        setting = Setting(self.name, _INSTEAD[self.name])
        return block("protocol", self.protocol, setting) if self.protocol else setting


@rule("CONF025", "Passwords are written into the log", Severity.RISK)
def passwords_in_log(configured: Configured) -> Problem | None:
    found = tuple(_logged(configured.config))
    if not found:
        return None
    risk = any(one.severity is Severity.RISK for one in found)
    return Problem(
        says=" ".join(one.says for one in found),
        because=(configured,),
        certainty=Certainty.PROVEN,
        severity=Severity.RISK if risk else Severity.NOTE,
        remedy=remedy(
            "Log no passwords, then remove those that are in the log, in rotated logs and in copies of them.",
            config=both(*(one.instead for one in found)),
            file=configured.file,
            commands=(RELOAD,),
            careful="Others may have read the log: the users whose passwords it shows need new ones.",
        ),
    )


def _logged(config: AuthConfig) -> Iterator[_Logged]:
    tree = config.whole
    debug = tree.get("auth_debug") == "yes"
    for each in (tree, *tree.all("protocol")):
        if each.get(_DEBUG) == "yes" and (each is tree or debug):
            what = (
                "what each client sends, the right password, too"
                if each is tree
                else "the passwords of failed logins, as auth_debug = yes"
            )
            yield _Logged(_DEBUG, "yes", each.name, what, Severity.RISK)
        value = each.get(_FAILED, "no")
        if said := _of_failed(value):
            yield _Logged(_FAILED, value, each.name, *said)


def _of_failed(value: str) -> tuple[str, Severity] | None:
    """What auth_verbose_passwords logs of a failed login, and how bad that is; None: nothing that tells."""
    kind, _, cut = value.partition(":")
    length = digits.number(cut) if cut else None
    if kind == "plain" and length is not None:
        return f"the first {length} characters of each failed login's password", Severity.RISK
    if kind in ("plain", "yes"):  # "yes:3" is not cut either
        return "each failed login's password as it was typed", Severity.RISK
    if kind == "sha1" and (length is None or length > _FEW):
        return "the SHA-1 of each failed login's password, which a list of passwords solves", Severity.NOTE
    return None
