"""What the rules about the system's accounts share: the problem that a fault of an account is."""

from collections.abc import Iterable, Mapping

from mailauth.evidence import AccountFault, Logins, PasswordCheck, SystemAccount, SystemAccounts
from mailauth.finding import Certainty, Problem, Remedy, Severity
from mailauth.hashes import Verdict
from mailauth.stores.pam_modules import Why

Found = Iterable[tuple[SystemAccount, AccountFault]]


def problem(
    found: Found,
    accounts: SystemAccounts,
    tried: tuple[Logins | None, PasswordCheck | None],
    advice: Mapping[Why, str],
    careful: str = "",
) -> Problem | None:
    """Likely as it is read from the files, proven where a login failed with a password that is not wrong.

    ``tried``: the logins of this run, and what the account has against the password given.  In the advice,
    USER is the name.
    """
    logins, check = tried
    found = list(found)
    if not found:
        return None
    user, first = found[0][0].user, found[0][1]
    failed = logins is not None and bool(logins.replies) and not any(one.ok for one in logins.replies)
    wrong = check is not None and bool(check.verdicts) and Verdict.MATCH not in check.verdicts
    said = dict.fromkeys(fault.says for _, fault in found)
    unless = found[0][0].unless
    also = f" {unless} may still let the user in." if unless else ""
    if unless and failed:
        also = f" {unless} did not let the user in either."
    return Problem(
        says=f"{'; '.join(said)}.{also}",
        because=(accounts, *((logins,) if logins else ())),
        certainty=Certainty.PROVEN if failed and not unless and not wrong else Certainty.LIKELY,
        severity=Severity.RISK if unless and not failed else None,
        remedy=Remedy(summary=advice[first.why].replace("USER", user), careful=careful),
    )
