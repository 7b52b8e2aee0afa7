"""mailauth finds out why a Dovecot login fails, and proves it.

As a library:

>>> from mailauth import parse, verify, generate, diagnose

These names are the public ones (docs/library.md); what is below them may change with any version.  They are
loaded when they are first used, so that importing the package costs nothing.
"""

TYPE_CHECKING = False  # as typing has it, without the 5 ms that typing takes
if TYPE_CHECKING:
    from mailauth.check.asked import CheckRun, Which
    from mailauth.check.run import run as run_checks
    from mailauth.diagnose_all import Checkup, checkup
    from mailauth.diagnosing import Target, diagnose
    from mailauth.dovecot.doveadm import Installation
    from mailauth.dovecot.version import Version
    from mailauth.errors import CannotObserve, MailauthError, Refused, UsageError
    from mailauth.hashes import Flaw, Hash, Judgement, Limits, Password, Verdict, generate, parse, verify
    from mailauth.lab import Lab, MariaDB, Postgres
    from mailauth.login.everywhere import try_logins
    from mailauth.login.ways import Choice

__all__ = [
    "CannotObserve",
    "CheckRun",
    "Checkup",
    "Choice",
    "Flaw",
    "Hash",
    "Installation",
    "Judgement",
    "Lab",
    "Limits",
    "MailauthError",
    "MariaDB",
    "Password",
    "Postgres",
    "Refused",
    "Target",
    "UsageError",
    "Verdict",
    "Version",
    "Which",
    "checkup",
    "diagnose",
    "generate",
    "parse",
    "run_checks",
    "try_logins",
    "verify",
]

_HOME = {
    "CannotObserve": "mailauth.errors:CannotObserve",
    "CheckRun": "mailauth.check.asked:CheckRun",
    "Checkup": "mailauth.diagnose_all:Checkup",
    "Choice": "mailauth.login.ways:Choice",
    "Flaw": "mailauth.hashes:Flaw",
    "Hash": "mailauth.hashes:Hash",
    "Installation": "mailauth.dovecot.doveadm:Installation",
    "Judgement": "mailauth.hashes:Judgement",
    "Lab": "mailauth.lab:Lab",
    "Limits": "mailauth.hashes:Limits",
    "MailauthError": "mailauth.errors:MailauthError",
    "MariaDB": "mailauth.lab:MariaDB",
    "Password": "mailauth.hashes:Password",
    "Postgres": "mailauth.lab:Postgres",
    "Refused": "mailauth.errors:Refused",
    "Target": "mailauth.diagnosing:Target",
    "UsageError": "mailauth.errors:UsageError",
    "Verdict": "mailauth.hashes:Verdict",
    "Version": "mailauth.dovecot.version:Version",
    "Which": "mailauth.check.asked:Which",
    "checkup": "mailauth.diagnose_all:checkup",
    "diagnose": "mailauth.diagnosing:diagnose",
    "generate": "mailauth.hashes:generate",
    "parse": "mailauth.hashes:parse",
    "run_checks": "mailauth.check.run:run",
    "try_logins": "mailauth.login.everywhere:try_logins",
    "verify": "mailauth.hashes:verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'mailauth' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only for who uses the library

    module, _, attribute = _HOME[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
