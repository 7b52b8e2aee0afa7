"""What single releases changed: rows that no other test is about, on the real Dovecot of each version."""

from collections.abc import Callable
from contextlib import suppress

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.releases import CACHE_STATUS, MECHANISMS, NO_UPDATE_QUERY, SQLITE_WAITS, mechanisms
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.lab import Lab

# What auth does not start with where there is only a passwd-file; and what it has for its own use
_NEED_MORE = {"2.3": {"OTP"}, "2.4": {"OTP", "OAUTHBEARER", "XOAUTH2"}}
_OWN = "DOVECOT-TOKEN"
_TRIES, _NEXT = 30, 2.0  # seconds from one to the next
_UNKNOWN = "nknown authentication mechanism"


def test_the_mechanisms(dovecot_version: str, lab: Callable[..., Lab]) -> None:
    """Those of the table are those that auth offers; one that it has not keeps auth from starting."""
    known = mechanisms(Version.parse(dovecot_version))
    offered = known - _NEED_MORE[dovecot_version[:3]]
    settings = f"auth_mechanisms = {' '.join(sorted(offered))}\nauth_anonymous_username = nobody\n"
    with lab(dovecot_version, users={"alice": "{PLAIN}x"}, settings=settings) as one:
        with AuthSocket(one.auth_socket) as auth:
            told = {line.split("\t")[1] for line in auth.greeting if line.startswith("MECH\t")} - {_OWN}
        assert told | {name for name in offered if name.endswith("-PLUS")} == offered
        for name in sorted({each.name for each in MECHANISMS} - offered):
            one.stop()
            before = one.log().count("auth: Fatal")
            one.configure(f"auth_mechanisms = plain {name}\n")
            with suppress(CannotObserve):
                one.restart()
            assert _ended(one, before + 1), name
            last = [line for line in one.log().splitlines() if "auth: Fatal" in line][-1]
            assert (_UNKNOWN in last) is (name not in known), (name, last)


def _ended(one: Lab, times: int) -> bool:
    """Whether auth has ended so often.  It is started by who connects, and not again soon after it ended."""
    for _ in range(_TRIES):
        if one.logs("auth: Fatal", _NEXT, times=times):
            return True
        with suppress(CannotObserve), AuthSocket(one.auth_socket):
            pass
    return False


def test_settings_and_commands_that_came_or_went(dovecot_version: str, lab: Callable[..., Lab]) -> None:
    with lab(dovecot_version, users={"alice": "{PLAIN}x"}) as one:
        asked = one.run("doveadm", "auth", "cache", "status")
        assert (asked.returncode == 0) is CACHE_STATUS.holds(one.version)
        if one.dialect == "2.4":
            settings = one.run("doveconf", "-a").stdout
            assert ("\npassdb_sql_update_query =" not in settings) is NO_UPDATE_QUERY.holds(one.version)
            assert ("\nsqlite_busy_timeout =" in settings) is SQLITE_WAITS.holds(one.version)
