"""What ``hash`` does; its options are in ``hash.py``."""

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mailauth.cli.hash_status import STATUS
from mailauth.cli.shared.given import without
from mailauth.dovecot.sizes import parse_limit, parse_size
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import Hash, Judgement, Limits, Password, Verdict, judge, printed, verify_hash
from mailauth.hashes.allowance import Allowance, allowed
from mailauth.hashes.explain import explain
from mailauth.later import later
from mailauth.records import dataclass
from mailauth.visible import visible

if TYPE_CHECKING:
    import rich.console
    import rich.table
    import rich.text

    from mailauth.cli.shared import files, patience, secrets
    from mailauth.hashes import batch as batching
    from mailauth.hashes import interruptible
    from mailauth.memory import child
else:
    # What hash show of one string has no use for.
    files = later("mailauth.cli.shared.files")
    patience = later("mailauth.cli.shared.patience")
    secrets = later("mailauth.cli.shared.secrets")
    interruptible = later("mailauth.hashes.interruptible")
    batching = later("mailauth.hashes.batch")  # processes, which hash show does not make
    child = later("mailauth.memory.child")  # only for a limit
    rich = later("rich")  # 0.1 s that pipes need not pay


@dataclass(frozen=True, slots=True)
class _UnderLimit:
    """Verifies in a child that has as much room as Dovecot's process; may be sent to a worker."""

    room: int
    limits: Limits

    def __call__(self, hash_: Hash, password: Password, user: str) -> Judgement:
        with allowed(Allowance(self.limits)):
            return self._verified(hash_, password, user)

    def _verified(self, hash_: Hash, password: Password, user: str) -> Judgement:
        need = hash_.scheme.memory(hash_.payload)
        if not need.total:
            return verify_hash(hash_, password, user=user)
        said = Judgement(
            Verdict.OUT_OF_MEMORY,
            f"verifying takes {need.total / 2**20:.1f} MiB, and {max(self.room, 0) / 2**20:.1f} MiB are left"
            " under the limit; Dovecot logs a password mismatch",
        )
        kind = hash_.scheme.library or "libcrypt"
        try:
            verdict = child.trial(kind, hash_.payload, password, need, room=self.room, later=True).verdict
        except CannotObserve:  # no such library here: the closed form decides
            return said if need.total > self.room else verify_hash(hash_, password, user=user)
        return said if verdict is Verdict.OUT_OF_MEMORY else Judgement(verdict, _WHY[verdict])


_WHY = {Verdict.MATCH: "", Verdict.MISMATCH: "the password is not the one that was hashed"}


def _verifier(vsz_limit: str | None, idle: str, limits: Limits) -> _UnderLimit | None:
    limit = None if vsz_limit is None else parse_limit(vsz_limit)
    return None if limit is None else _UnderLimit(limit - parse_size(idle), limits)


_OF_ONE = ("stored", "stored_fd", "ask_password", "password_fd", "stdin", "user", "as_json")


def of_a_batch(batch: str | None) -> bool:
    """Whether many strings are asked about.  Raises UsageError for what the other mode makes use of."""
    if batch is None:
        without("one stored string", "jobs")
    else:
        without("a batch, whose lines say all of each string,", *_OF_ONE)
    return batch is not None


def run_batch(name: str, settings: Any, jobs: int | None) -> None:
    out = sys.stdout.buffer
    with files.opened(name) as source:
        for line in batching.run(source, settings, jobs=jobs or batching.cores()):
            out.write(line + b"\n")
            out.flush()


def one_string(stored: str | None, stored_fd: int | None, *, password_from_stdin: bool = False) -> bytes:
    """The string, from the command line, a descriptor, or standard input."""
    if stored is not None and stored != "-" and stored_fd is None:
        return stored.encode(errors="surrogateescape")
    if stored is not None and stored_fd is not None:
        raise UsageError("give the string in one way only: as an argument or with --stored-fd.")
    if stored_fd is None and (stored != "-" or password_from_stdin):
        raise UsageError('give a stored string in quotes, "-" for standard input, --stored-fd or --batch.')
    files.awaited(stored_fd or 0, "the stored string")
    try:
        with open(0 if stored_fd is None else stored_fd, "rb", closefd=False) as file:
            text = file.read(1024 * 1024)
    except OSError as why:
        raise UsageError(f"--stored-fd {stored_fd}: cannot be read ({why.strerror}).") from None
    return text.removesuffix(b"\n")


def _say(text: str, mood: str = "") -> None:
    click.secho(text, fg={"good": "green", "bad": "red"}.get(mood) if _colour() else None)


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def verify(
    stored: str | None,
    stored_fd: int | None,
    batch: str | None,
    ask_password: bool,
    password_fd: int | None,
    stdin: bool,
    user: str,
    dovecot: tuple[int, ...] | None,
    allow_weak: bool,
    default_scheme: str | None,
    vsz_limit: str | None,
    idle: str,
    max_memory: str,
    max_seconds: float,
    as_json: bool,
    jobs: int | None,
) -> None:
    many = of_a_batch(batch)
    if vsz_limit is None:
        without("hash verify without --vsz-limit", "idle")
    limits = Limits(parse_size(max_memory), max_seconds)
    settings = batching.Settings(
        "verify",
        default_scheme=default_scheme,
        dovecot=dovecot,
        allow_weak=allow_weak,
        limits=limits,
        verifier=_verifier(vsz_limit, idle, limits),
    )
    if many and batch is not None:
        run_batch(batch, settings, jobs)
        return
    text = one_string(stored, stored_fd, password_from_stdin=stdin)
    ask = ask_password or (password_fd is None and not stdin)
    if ask:
        secrets.need_terminal()
    password = secrets.read_password(ask=ask, descriptor=password_fd, stdin=stdin)
    assert password is not None, "one of the three was asked for"
    with patience.patience("verifying"):
        judgement = interruptible.interruptible(lambda: batching.verify(text, password, user, settings))
    shown = judge.shown(text, default_scheme=default_scheme)
    if as_json:
        click.echo(json.dumps(printed.of_judgement(judgement, shown)))
    else:
        reason = f": {judgement.reason}" if judgement.reason else ""
        _say(
            f"{shown}  {judgement.verdict.value}{reason}",
            "good" if judgement.verdict is Verdict.MATCH else "bad",
        )
        if dovecot is not None and _by_libcrypt(text, settings):
            click.echo(
                "  crypt(3) is this machine's: that of the Dovecot meant may know more kinds, or fewer"
            )
    sys.exit(STATUS[judgement.verdict])


def _by_libcrypt(text: bytes, settings: Any) -> bool:
    """Whether the system's library verifies it, whatever the version of Dovecot."""
    parsed = judge.parse(
        text, default_scheme=settings.default_scheme, dovecot=settings.dovecot, allow_weak=settings.allow_weak
    )
    return isinstance(parsed, Hash) and parsed.scheme.library == "libcrypt"


def show(
    stored: str | None,
    stored_fd: int | None,
    batch: str | None,
    dovecot: tuple[int, ...] | None,
    allow_weak: bool,
    default_scheme: str | None,
    as_json: bool,
    jobs: int | None,
) -> None:
    if of_a_batch(batch) and batch is not None:
        settings = batching.Settings(
            "show", default_scheme=default_scheme, dovecot=dovecot, allow_weak=allow_weak
        )
        run_batch(batch, settings, jobs)
        return
    it = explain(
        one_string(stored, stored_fd), default_scheme=default_scheme, dovecot=dovecot, allow_weak=allow_weak
    )
    if as_json:
        click.echo(json.dumps(printed.of_explanation(it)))
    else:
        _table(printed.rows(it))
    sys.exit(0 if it.flaw is None else STATUS[it.flaw.verdict])


def _table(rows: list[tuple[str, str, str]]) -> None:
    """Lined up on a terminal by Rich, which wraps; elsewhere one line each, for grep."""
    if not sys.stdout.isatty():
        for label, text, _ in rows:
            click.echo(f"{label:<16} {text}")
        return
    table = rich.table.Table.grid(padding=(0, 2))
    for label, text, mood in rows:
        table.add_row(
            rich.text.Text(label, "bold"),
            rich.text.Text(visible(text), {"good": "green", "bad": "red"}.get(mood, "")),
        )
    rich.console.Console(file=sys.__stdout__, highlight=False).print(table)
