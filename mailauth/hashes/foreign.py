"""Hashes made by other software, in the form that Dovecot takes, where no plaintext is needed.

Each proven on both Dovecots with the generator's own output where there was one
(docs/hashes.md lists them). Nothing is guessed silently: what a string alone cannot tell (a pepper,
NT or MD5) is in the reason, and a password given with it decides.
"""

import binascii

from mailauth.hashes import bare, foreign_kdf, foreign_text, judge, origins
from mailauth.hashes.foreign_found import Found, no, none
from mailauth.hashes.hash import Flaw, Password, Verdict


def convert(
    stored: bytes | str,
    *,
    password: Password | None = None,
    user: str = "",
    origin: str | None = None,
    dovecot: tuple[int, ...] | None = None,
    sure: bool = False,
) -> Found:
    """Dovecot's form of a hash, or why there is none.

    With ``password`` the result is verified before it is given. ``sure``: nothing that the form leaves
    open. Raises UsageError for an ``origin`` that is not one of origins.ORIGINS.
    """
    text = judge.raw(stored).strip(b"\r\n")
    if sure and origin is None and (open_ := bare.undecided(text)):
        return no("undecided", f"it may be {open_}")
    found = readings(text, origin, "" if sure else user)
    if not found:
        return none("unknown", "no format that mailauth knows")
    checked = [_checked(one, password, user, dovecot) for one in found]
    return next((one for one in checked if one.dovecot is not None), checked[0])


def readings(text: bytes, origin: str | None = None, role: str = "") -> tuple[Found, ...]:  # noqa: C901 - the order matters
    """Whose hash it may be, the likeliest first.  ``role``: the user, where a database hashed that, too."""
    if origin is not None:
        found = origins.reading(text, origin)
        if found or bare.undecided(text):
            return (found or no(origin, "not one of its forms"),)
    if text.startswith(b"{ARGON2}"):  # 2.3 does not know the name
        found = foreign_text.argon2(text)
        if found:
            return (found,)
    as_is = judge.parse(text, default_scheme=None)
    if not isinstance(as_is, Flaw) and text.startswith(b"{"):
        return (Found(f"Dovecot's {{{as_is.scheme.name}}}", text, "as is", ours=True),)
    if of_role := foreign_text.postgresql_md5(text, role):
        return (of_role,)
    several = foreign_text.bare_hex(text)
    if several:
        return several
    for reader in (*foreign_kdf.READERS, *foreign_text.READERS):
        try:
            found = reader(text)
        except (binascii.Error, ValueError):
            found = no(reader.__name__, "the salt or key is not the base64 or hex that it should be")
        if found:
            return (found,)
    if isinstance(as_is, Flaw) and text.startswith(b"{"):
        return (none("unknown", as_is.reason),)
    return ()


def _checked(found: Found, password: Password | None, user: str, dovecot: tuple[int, ...] | None) -> Found:
    """The same, unless Dovecot would not take it or the given password does not match."""
    if found.dovecot is None:
        return found
    parsed = judge.parse(found.dovecot, default_scheme=None, dovecot=dovecot)
    if isinstance(parsed, Flaw):
        if parsed.verdict is Verdict.WEAK:
            return Found(found.source, found.dovecot, parsed.reason)
        return no(found.source, parsed.reason)
    if password is not None:
        judged = judge.verify_hash(parsed, password, user=user)
        if judged.verdict is not Verdict.MATCH:
            return no(
                found.source,
                f"made into {parsed.shown}, but the given password does not match it ({judged.reason});"
                " perhaps the other software adds something to the password",
            )
    return found
