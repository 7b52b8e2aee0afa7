"""Who writes to a directory, by the options of ``migrate``."""

import os
import stat
from pathlib import Path
from typing import Any

import click

from mailauth.cli.shared.files import opened
from mailauth.cli.shared.secrets import need_terminal, read_line
from mailauth.errors import UsageError
from mailauth.hashes import Password
from mailauth.migrate.where import Bind

_READ = "mailauth.bind"  # in a context's meta: a descriptor gives it once


def bind_of(named: dict[str, Any]) -> Bind | None:
    """None: whom Dovecot asks as.  Raises UsageError."""
    name, descriptor, file = (named.get(f"bind_{one}") for one in ("dn", "password_fd", "password_file"))
    if name is None:
        if named.get("insecure"):
            raise UsageError("--insecure goes with --bind-dn.")
        if descriptor is not None or file is not None:
            raise UsageError("--bind-password-fd and --bind-password-file go with --bind-dn.")
        return None
    if not name:
        raise UsageError("--bind-dn: give the name of an entry; without one the bind would be anonymous.")
    meta = click.get_current_context().meta
    if _READ not in meta:
        meta[_READ] = _password(descriptor, file)
    return Bind(name, meta[_READ], bool(named.get("insecure")))


def _password(descriptor: int | None, file: Path | None) -> Password:
    if descriptor is not None and file is not None:
        raise UsageError("give the password of --bind-dn in one way only.")
    if file is not None:
        found = _of_file(file)
    elif descriptor is not None:
        found = read_line(descriptor, f"--bind-password-fd {descriptor}")
    else:
        need_terminal()
        found = click.prompt("Password of --bind-dn", hide_input=True, err=True).encode()
    if not found:
        raise UsageError("the password of --bind-dn is empty: a server would take the bind as anonymous.")
    return Password(found)


def _of_file(file: Path) -> bytes:
    with opened(str(file)) as source:
        mode = os.fstat(source.fileno())
        if stat.S_ISREG(mode.st_mode) and mode.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{file}: it holds a password, and others may read it: chmod 600.")
        return read_line(source.fileno(), str(file))
