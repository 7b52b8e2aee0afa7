"""What the rules about "... reached, client connections are being dropped" share."""

import re

from mailauth.counted import times
from mailauth.dovecot.messages import LogKind
from mailauth.evidence import Configured, LogTrouble, LogWindow
from mailauth.finding import Certainty, Problem
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_AT_LEAST = 100


def reached(log: LogWindow, *, clients: bool) -> LogTrouble | None:
    """The limit that was reached: client_limit itself, or one that more processes would mend."""
    found = [
        one for one in log.troubles if one.kind is LogKind.LIMIT and (one.what == "client_limit") is clients
    ]
    return max(found, key=lambda one: one.count, default=None)


def problem(
    configured: Configured, log: LogWindow, trouble: LogTrouble, setting: str, careful: str
) -> Problem:
    """Raise ``setting`` of the service that the log names."""
    number = re.search(r"\(([0-9]+)\)", trouble.text.partition("): ")[2])
    more = max(_AT_LEAST, 2 * int(number[1]) if number else 0)
    text = [block("service", trouble.service, Setting(setting, str(more)))]
    return Problem(
        says=f"Dovecot says, {times(trouble.count)} since {log.begins}: {trouble.text}.",
        because=(log, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary=f"Raise {setting} of service {trouble.service}.",
            config=both(*text),
            file=configured.file,
            commands=(RELOAD,),
            careful=careful,
        ),
    )
