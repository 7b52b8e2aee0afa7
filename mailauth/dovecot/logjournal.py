"""The report of ``mailauth log`` from the journal of this machine, where Dovecot's log is in no file."""

from datetime import datetime

from mailauth.dovecot import journalctl
from mailauth.dovecot.logreading import read_stream, stamps_of
from mailauth.dovecot.logreport import FromLogReport, Reading
from mailauth.errors import CannotObserve

_LAST = 1024 * 1024  # bytes of the last line
_LATER = 5.0  # seconds after which a journalctl that says nothing is ended


def read_journal(program: str, asked: Reading) -> FromLogReport:
    """Read the journal of this machine by ``program``, which is journalctl.

    Raises CannotObserve where it has no line of this Dovecot's.
    """
    stamps = stamps_of(asked, datetime.now().astimezone())
    _, said, _ = journalctl.ask(program, asked.ident, "-n", "1", most=_LAST)
    last = stamps.split(said.partition(b"\n")[0]) if said else None
    if last is None or last[0] is None:
        raise CannotObserve(
            f"Dovecot logs to syslog, and neither a file in /var/log nor the journal has a line of"
            f" {asked.ident}: mailauth log --log FILE reads the file that your syslog writes."
        )
    begin = () if asked.since is None else ("--since", f"@{(last[0] - asked.since).timestamp():.6f}")
    with journalctl.opened(program, asked.ident, *begin, seconds=asked.seconds + _LATER) as stream:
        return read_stream(stream, asked, f"the journal (journalctl -t {asked.ident})")
