"""What ``inside`` does; its options are in ``inside.py``."""

import sys

import click

from mailauth.dovecot.doveadm import at_pid
from mailauth.errors import CannotObserve, UsageError
from mailauth.visible import visible


def inside(words: tuple[str, ...], pid: int | None) -> None:
    if pid is None:
        raise UsageError("name the Dovecot by --pid or --container.")
    try:
        ran = at_pid(pid, None).execute(words)
    except CannotObserve as why:
        raise UsageError(str(why), needs_root=why.needs_root) from None
    click.echo(visible(ran.out, keep="\n\t"), nl=False)
    click.echo(visible(ran.err, keep="\n\t"), nl=False, err=True)
    sys.exit(ran.status if ran.status >= 0 else 128 - ran.status)
