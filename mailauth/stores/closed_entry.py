"""What a directory's entry says of its account: that it is locked, disabled, or not valid at this time.

It counts where the directory verifies: who reads the password from it never asks.  Source:
draft-behera-ldap-password-policy-10 section 5.3; OpenLDAP 2.5.13 servers/slapd/overlays/ppolicy.c
(account_locked()); [MS-ADTS] 2.2.16 (userAccountControl and msDS-User-Account-Control-Computed) and 2.2.1
of accountExpires; 389 Directory Server's
nsAccountLock.
"""

import datetime as dt
from collections.abc import Mapping

from mailauth import digits
from mailauth.records import dataclass
from mailauth.stores.directed import LOCKED_SINCE, Bound

FOR_GOOD = "000001010000Z"
ATTRIBUTES = (
    *(LOCKED_SINCE, "pwdStartTime", "pwdEndTime", "pwdAccountTmpLockoutEnd"),
    *("userAccountControl", "accountExpires", "lockoutTime", "nsAccountLock"),
    *("msDS-User-Account-Control-Computed", "pwdChangedTime"),
)
_DISABLED = 2  # ADS_UF_ACCOUNTDISABLE
_LOCKED_NOW, _EXPIRED = 0x10, 0x800000  # ADS_UF_LOCKOUT, ADS_UF_PASSWORD_EXPIRED
_NEVER = (0, 2**63 - 1)
_SINCE_1601 = 11_644_473_600  # seconds until 1970
_LONGEST_TIME = 32  # characters of a time
_TICKS = 10_000_000  # of 100 ns in a second


@dataclass(frozen=True, slots=True)
class Closed:
    """``says``: which attribute says what.  ``lasting``: it counts now; else a lock that may be over.

    ``policy``: it counts where the server has a password policy for the entry.
    """

    how: Bound
    says: str
    lasting: bool = True
    policy: bool = False


def closed(values: Mapping[str, tuple[bytes, ...]], now: float) -> Closed | None:
    """By an entry's values, by attribute in small letters."""
    known = {name: found[0].decode("utf-8", "replace") for name, found in values.items() if found}
    told = {name: known.get(name.lower(), "") for name in ATTRIBUTES}
    return _disabled(told) or _ended(told, now) or _by_policy(told, now) or _perhaps(told)


def ages(values: Mapping[str, tuple[bytes, ...]]) -> str:
    """Since when the password is as it is, where a policy keeps account of that; else "".

    How long it may be so stands in the policy: a bind shows what comes of it.
    """
    found = next((one for name, one in values.items() if name.lower() == "pwdchangedtime" and one), ())
    return found[0].decode("utf-8", "replace")[:_LONGEST_TIME] if found else ""


def _disabled(told: Mapping[str, str]) -> Closed | None:
    if (digits.number(told["userAccountControl"] or "0") or 0) & _DISABLED:
        return Closed(Bound.DISABLED, "userAccountControl has the bit 2, which disables the account")
    if told["nsAccountLock"].lower() == "true":
        return Closed(Bound.DISABLED, "nsAccountLock is true, which disables the account")
    computed = "msDS-User-Account-Control-Computed"
    flags = digits.number(told[computed] or "0") or 0
    if flags & _LOCKED_NOW:
        return Closed(Bound.LOCKED, f"{computed} has the bit 0x10: the account is locked now")
    if flags & _EXPIRED:
        return Closed(Bound.EXPIRED, f"{computed} has the bit 0x800000: the password has expired")
    return None


def _ended(told: Mapping[str, str], now: float) -> Closed | None:
    ticks = digits.number(told["accountExpires"] or "0") or 0
    end = ticks / _TICKS - _SINCE_1601
    if ticks in _NEVER or end >= now:
        return None
    day = dt.datetime.fromtimestamp(max(0, end), dt.UTC)
    return Closed(Bound.ACCOUNT_EXPIRED, f"accountExpires ended the account on {day:%Y-%m-%d}")


def _by_policy(told: Mapping[str, str], now: float) -> Closed | None:
    """Of slapo-ppolicy."""
    today = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%d%H%M%SZ")
    since, start, end = told[LOCKED_SINCE], told["pwdStartTime"], told["pwdEndTime"]
    until = told["pwdAccountTmpLockoutEnd"]
    if since == FOR_GOOD:
        return Closed(Bound.LOCKED, f"{LOCKED_SINCE} ({since}) locks it until it is unlocked", policy=True)
    if start > today:
        return Closed(Bound.HOURS, f"pwdStartTime lets nobody in with it before {start}", policy=True)
    if end and end <= today:
        return Closed(Bound.ACCOUNT_EXPIRED, f"pwdEndTime lets nobody in with it since {end}", policy=True)
    if until > today:
        return Closed(Bound.LOCKED, f"pwdAccountTmpLockoutEnd locks it until {until}", policy=True)
    return None


def _perhaps(told: Mapping[str, str]) -> Closed | None:
    """A lock whose end the server's policy knows."""
    if since := told[LOCKED_SINCE]:
        return Closed(Bound.LOCKED, f"by {LOCKED_SINCE} ({since}) the account was locked then", lasting=False)
    if told["lockoutTime"] not in ("", "0"):
        return Closed(Bound.LOCKED, "by lockoutTime the account was locked", lasting=False)
    return None
