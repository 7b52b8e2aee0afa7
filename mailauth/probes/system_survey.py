"""Every row of the system's accounts that a password can be compared with: passdbs pam, shadow and passwd."""

from dataclasses import replace

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.nobody import NOBODY
from mailauth.errors import CannotObserve
from mailauth.probes import accounts, lookup, system_accounts
from mailauth.probes.scene import Scene
from mailauth.probes.system_files import System
from mailauth.stores import shadow
from mailauth.stores.rows import Survey
from mailauth.stores.store import Outcome
from mailauth.stores.string_counts import Question, Tally


def survey(dovecot: Installation, config: AuthConfig, passdb: Passdb, question: Question) -> Survey:
    """Accounts that are locked, or have no password, are not counted: no password is compared with theirs.

    Not ``whole``, since whether an account without a password lets somebody in depends on more than its row;
    but where each account of a passwd is locked, or its password is in shadow, nobody gets in.
    Raises CannotObserve where a file cannot be read, where other modules of PAM have a say, and where names
    come from elsewhere, too.
    """
    scene = Scene(dovecot, config, NOBODY)
    scene = replace(scene, names=lookup.observe_user_name(scene))
    table, place = ("passwd", shadow.PASSWD) if passdb.driver == "passwd" else ("shadow", shadow.SHADOW)
    if passdb.driver == "pam":
        _must_compare(scene, passdb)
        table = "passwd"
    if more := accounts.other_sources(dovecot, table):
        raise CannotObserve(
            f"{passdb.label}: accounts come from {more}, too (/etc/nsswitch.conf), which are not listed."
        )
    tally, fields = Tally(question), _fields(System(scene), passdb.driver)
    if passdb.driver == "passwd" and fields and all(_closed(stored) for _, stored in fields):
        return Survey(place, len(fields), (), nulls=len(fields))
    for name, stored in fields:
        if stored and not _closed(stored, shadowed=passdb.driver == "passwd"):
            tally.add(stored.encode("utf-8", "surrogateescape"), (name.encode("utf-8", "surrogateescape"),))
    return Survey(place, tally.rows, tally.classes(), whole=False)


def _closed(stored: str, *, shadowed: bool = True) -> bool:
    """Whether no password can match: the account is locked, or (in passwd) its password is in shadow."""
    return stored[:1] in ("*", "!") or (shadowed and stored == "x")


def _must_compare(scene: Scene, passdb: Passdb) -> None:
    """Whether PAM says yes just where pam_unix finds the password right."""
    asked = system_accounts.ask_about_anybody(scene, passdb, lookup.fill_for(scene, passdb))
    if asked.open:
        raise CannotObserve(f"{passdb.label}: {asked.open}; {passdb.unread.tells}")
    if asked.record.outcome is not Outcome.FOUND or not asked.record.stored:
        raise CannotObserve(f"{passdb.label}: PAM answers everybody alike, whatever is stored.")


def _fields(system: System, driver: str) -> list[tuple[str, str]]:
    """The names, each once, and the field that is compared."""
    own = shadow.passwords(system.text(shadow.SHADOW)) if driver != "passwd" else {}
    if driver == "shadow":
        return list(own.items())
    fields = shadow.passwords(system.text(shadow.PASSWD))
    if driver == "passwd":
        return list(fields.items())
    return [
        (name, own.get(name, "") if shadow.is_elsewhere(name, text) else text)
        for name, text in fields.items()
    ]
