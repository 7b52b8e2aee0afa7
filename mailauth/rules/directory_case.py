"""What the LDAP rules share: the problem that an answer of a directory is."""

from collections.abc import Mapping
from types import MappingProxyType

from mailauth.evidence import DirectoryAnswer, DirectoryAnswers, Logins
from mailauth.evidence.directory import OF_THE_CONNECTION
from mailauth.finding import Certainty, Problem, Remedy, Severity
from mailauth.stores.directed import Directed, TlsFault

_FROM_BEFORE = " Dovecot may have a connection from before, on which logins still work."
_WORKED = " A login made now still worked: on a connection from before, or by the cache or another passdb."

_ANYBODY = " While it fails, any password logs in: its result_internalfail makes that a success."


def problem(
    found: tuple[DirectoryAnswer, ...],
    answers: DirectoryAnswers,
    logins: Logins | None,
    advice: Mapping[Directed, str],
    *,
    of_tls: Mapping[TlsFault, str] = MappingProxyType({}),
    waits: bool = False,
) -> Problem | None:
    """It blocks the login where there is no other passdb, and no login worked just now.

    ``of_tls``: advice where it is known why TLS fails.  ``waits``: by the log a login waits for it now.
    In the advice, <settings> is where the directory is set, and <name> as whom Dovecot binds.
    """
    if not found:
        return None
    first = found[0]
    worked = logins is not None and any(reply.ok for reply in logins.replies)
    failed = logins is not None and bool(logins.replies) and not worked
    perhaps = first.told.how in OF_THE_CONNECTION and not worked and not failed and not waits
    advised = of_tls.get(first.told.tls) if first.told.tls else None
    text = (advised or advice[first.told.how]).replace("<settings>", first.settings)
    return Problem(
        says="; ".join(one.text for one in found)
        + "."
        + (_WORKED if worked else _FROM_BEFORE if perhaps else "")
        + (_ANYBODY if any(one.anybody for one in found) else ""),
        because=(answers, *((logins,) if logins else ())),
        certainty=Certainty.LIKELY if worked or perhaps or not first.sure else Certainty.PROVEN,
        severity=Severity.BLOCKS_LOGIN if first.alone and not worked else Severity.RISK,
        remedy=Remedy(summary=text.replace("<name>", first.name or "one without a name")),
    )
