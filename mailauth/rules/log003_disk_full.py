"""A disk that Dovecot writes to is nearly full.

What you see
    Nothing yet, or "No space left on device" in the log, if it still can be written.  A full disk ends
    logins too: no index, no new mail, no auth-token, no row in a database on the same disk.
Why
    Logs grow, and mail does.
How we know
    The filesystems of the log, of state_dir and base_dir and of the mail were asked: less than 5 % and
    less than 512 MiB are free for Dovecot, or less than 2 % of the inodes.
What to do
    See what is large: du -xsh on that filesystem.  If it is the log: mailauth log
    shows who fills it; logrotate with doveadm log reopen bounds it.
"""

from mailauth.dovecot.sizes import show_size
from mailauth.evidence import Filesystem, Filesystems
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule

_PART, _ROOM = 0.05, 512 * 1024 * 1024
_INODES = 0.02


@rule("LOG003", "A disk that Dovecot writes to is nearly full", Severity.RISK, watch="server")
def disk_full(disks: Filesystems) -> Problem | None:
    full = [one for one in disks.filesystems if _full(one)]
    if not full:
        return None
    return Problem(
        says=" ".join(
            f"The filesystem of {one.path} ({one.use}) has {show_size(one.free)} of {show_size(one.size)}"
            f" and {one.inodes_free} inodes free."
            for one in full
        ),
        because=(disks,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Make room there: remove old logs, or give it a larger disk."),
    )


def _full(one: Filesystem) -> bool:
    if one.size and one.free < _PART * one.size and one.free < _ROOM:
        return True
    return one.inodes is not None and one.inodes_free < _INODES * one.inodes
