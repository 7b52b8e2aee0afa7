"""What ``migrate_ldif`` does; its options are in ``migrate_ldif.py``."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from mailauth import handed
from mailauth.cli.migrate_plan_run import rules_of
from mailauth.cli.shared.files import opened as opened_file
from mailauth.cli.shared.given import words
from mailauth.dovecot.version import Version
from mailauth.errors import UsageError
from mailauth.hashes.damaged import Reader
from mailauth.migrate.apply import tell_decision
from mailauth.migrate.counts import Counts
from mailauth.migrate.decide import Wishes, decide
from mailauth.migrate.users_out import opened as listed
from mailauth.probes.survey import NEWEST
from mailauth.render.json import to_json
from mailauth.render.migrate import counted_text
from mailauth.stores import ldif as ldifs


def ldif(
    entries: str,
    attribute: str,
    default_scheme: str,
    judge: str | None,
    out: Path | None,
    undo_out: Path | None,
    users_out: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    version = Version.known(judge) if judge else NEWEST
    rules, goal, origin = rules_of(named | {"rehash": None})
    reader = Reader(version.numbers, default_scheme.upper(), version.dialect == "2.3")
    wishes, counts = Wishes(rules, goal, reader, origin), Counts()
    with (
        opened_file(entries) as source,
        _named(entries),
        _made(out) as there,
        _made(undo_out) as back,
        listed(users_out) as each,
    ):
        for entry in ldifs.read(source, attribute):
            new = list(entry.values)
            for at, old in enumerate(entry.values):
                decision = decide(old, wishes)
                counts.add(decision, entry.user)
                if each:
                    tell_decision(each, entry.user, decision)
                if decision.new is not None and decision.new not in new:
                    new[at] = decision.new
            if new == list(entry.values):
                continue
            for target, before, after in ((there, entry.values, new), (back, new, entry.values)):
                if target:
                    target.write(ldifs.modification(entry.dn, before, after, attribute))
    lines = counts.lines()
    then = _then(entries, out, undo_out) if any(line.action for line in lines) else []
    if as_json:
        click.echo(to_json({"attribute": attribute, "lines": lines, "then": then}))
    else:
        click.echo(counted_text(lines, attribute) + "".join(f"  {line}\n" for line in then), nl=False)
    sys.exit(1 if any(line.action or line.broken or line.unsure for line in lines) else 0)


@contextmanager
def _named(entries: str) -> Iterator[None]:
    """What is wrong with the entries is said of their file."""
    try:
        yield
    except UsageError as why:
        raise UsageError(f"{'standard input' if entries == '-' else entries}: {why}") from None


def _then(entries: str, out: Path | None, undo_out: Path | None) -> list[str]:
    """What to run next."""
    if out is None:
        own = ("mailauth", "migrate", "ldif", entries, *words("as_json", "users_out"))
        made = shlex.join([*own, "--out", "changes.ldif", "--undo-out", "undo.ldif"])
        return [f"then: {made}"] if entries != "-" else []
    ask = ("ldapmodify", "-H", "ldap://SERVER", "-D", "ADMIN", "-W", "-c", "-f")
    lines = [f"then: {shlex.join([*ask, str(out)])}"]
    return lines + ([f"take it back: {shlex.join([*ask, str(undo_out)])}"] if undo_out else [])


@contextmanager
def _made(path: Path | None) -> Iterator[BinaryIO | None]:
    """A new file, for its owner only."""
    if path is None:
        yield None
        return
    made = handed.made(path)
    try:
        with os.fdopen(made, "wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)  # half of it would be taken for all
        raise
