"""``mailauth hash``: new, verify, show and convert."""

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from mailauth.cli.password import read_password
from mailauth.dovecot.sizes import parse_limit, parse_size
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import Hash, Judgement, Limits, Password, Verdict, judge, verify_hash

_STATUS = {
    Verdict.MATCH: 0,
    Verdict.MISMATCH: 1,
    Verdict.MALFORMED: 3,
    Verdict.UNSUPPORTED: 4,
    Verdict.WEAK: 5,
    Verdict.OUT_OF_MEMORY: 6,
}
_EXITS = """\b
Exit status:  0 match, made, or sound        1 mismatch, or no conversion
              2 wrong usage                  3 malformed
              4 unsupported                  5 weak, and refused
              6 out of memory                70 a bug in mailauth
A batch exits with 0 when it was read to its end, whatever the verdicts."""

_F = TypeVar("_F", bound=Callable[..., Any])


def _release(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    version = Version.parse(text)
    return (version.major, version.minor, version.patch, version.build)


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def add(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_for = click.option(
    "--for", "dovecot", metavar="VERSION", callback=_release, help="Judge as this Dovecot, e.g. 2.4."
)
_weak = click.option(
    "--allow-weak", is_flag=True, help="As with auth_allow_weak_schemes=yes, and as doveadm pw -t."
)
_limit = click.option("--vsz-limit", metavar="SIZE", help="Under this vsz_limit, e.g. 256M; unlimited.")
_idle = click.option(
    "--idle",
    metavar="SIZE",
    default="24M",
    show_default=True,
    help="What the auth process takes idle (assumed).",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/hash-*.json).")
_jobs = click.option(
    "--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes; all cores if not given."
)
_stored = _options(
    click.argument("stored", required=False),
    click.option("--stored-fd", type=int, metavar="FD", help="Read the string from this descriptor."),
    click.option("--batch", metavar="FILE|-", help='JSON lines in, JSON lines out: {"stored": "...", ...}.'),
)
_default = click.option(
    "--default-scheme", metavar="SCHEME", help="The passdb's, for strings without {SCHEME}."
)
_password = _options(
    click.option(
        "-p", "--ask-password", is_flag=True, help="Ask for the password (without any of these too)."
    ),
    click.option("--password-fd", type=int, metavar="FD", help="Read the password from this descriptor."),
    click.option(
        "--stdin", "--password-stdin", "stdin", is_flag=True, help="Read the password from standard input."
    ),
)
_user = click.option("--user", default="", help="The user's name, which DIGEST-MD5 hashes too.")


@click.group("hash", epilog=_EXITS)
def hash_() -> None:
    """Make, verify, explain and convert password hashes, exactly as Dovecot judges them."""


@dataclass(frozen=True, slots=True)
class _UnderLimit:
    """Verifies in a child that has as much room as Dovecot's process; may be sent to a worker."""

    room: int

    def __call__(self, hash_: Hash, password: Password, user: str) -> Judgement:
        from mailauth.memory.child import trial  # noqa: PLC0415 - only with --vsz-limit

        need = hash_.scheme.memory(hash_.payload)
        if not need.total:
            return verify_hash(hash_, password, user=user)
        said = Judgement(
            Verdict.OUT_OF_MEMORY,
            f"verifying takes {need.total / 2**20:.1f} MiB, and {max(self.room, 0) / 2**20:.1f} MiB are left under"
            " the limit; Dovecot logs a password mismatch",
        )
        kind: Any = "argon2" if hash_.scheme.name.startswith("ARGON2") else "crypt"
        try:
            verdict = trial(kind, hash_.payload, password, need, room=self.room, later=True).verdict
        except CannotObserve:  # no such library here: the closed form decides
            return said if need.total > self.room else verify_hash(hash_, password, user=user)
        return said if verdict is Verdict.OUT_OF_MEMORY else Judgement(verdict, _WHY[verdict])


_WHY = {Verdict.MATCH: "", Verdict.MISMATCH: "the password is not the one that was hashed"}


def _verifier(vsz_limit: str | None, idle: str) -> _UnderLimit | None:
    limit = None if vsz_limit is None else parse_limit(vsz_limit)
    return None if limit is None else _UnderLimit(limit - parse_size(idle))


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield file
    except OSError as why:
        raise UsageError(f"{name}: cannot be read ({why.strerror}).") from None


def _run_batch(name: str, settings: Any, jobs: int | None) -> None:
    from mailauth.hashes import batch  # noqa: PLC0415

    out = sys.stdout.buffer
    with _opened(name) as source:
        for line in batch.run(source, settings, jobs=jobs or batch.cores()):
            out.write(line + b"\n")
            out.flush()


def _one(stored: str | None, stored_fd: int | None, *, password_from_stdin: bool = False) -> bytes:
    """The string, from the command line, a descriptor, or standard input."""
    if stored is not None and stored != "-" and stored_fd is None:
        return stored.encode(errors="surrogateescape")
    if stored is not None and stored_fd is not None:
        raise UsageError("give the string in one way only: as an argument or with --stored-fd.")
    if stored_fd is None and (stored != "-" or password_from_stdin):
        raise UsageError('give a stored string in quotes, "-" for standard input, --stored-fd or --batch.')
    try:
        with open(0 if stored_fd is None else stored_fd, "rb", closefd=False) as file:  # noqa: PTH123 - a descriptor
            text = file.read(1024 * 1024)
    except OSError as why:
        raise UsageError(f"--stored-fd {stored_fd}: cannot be read ({why.strerror}).") from None
    return text.removesuffix(b"\n")


def _say(text: str, mood: str = "") -> None:
    click.secho(text, fg={"good": "green", "bad": "red"}.get(mood) if _colour() else None)


def _colour() -> bool:
    import os  # noqa: PLC0415

    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


@hash_.command(epilog=_EXITS)
@_stored
@_password
@_user
@_for
@_weak
@_default
@_limit
@_idle
@click.option(
    "--max-memory", metavar="SIZE", default="2G", show_default=True, help="Compute nothing that takes more."
)
@click.option("--max-seconds", type=float, metavar="S", default=60.0, show_default=True, help="Nor longer.")
@_json
@_jobs
@click.pass_context
def verify(  # noqa: D417 - the options say it
    ctx: click.Context,
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
    """Verify a password as Dovecot would, and say why not.

    The stored string is visible to others on this machine while it is an argument; --stored-fd, "-"
    and --batch avoid that. A string without {SCHEME} is malformed unless --default-scheme is given.
    """
    from mailauth.hashes import batch as batches, report  # noqa: PLC0415

    settings = batches.Settings(
        "verify",
        default_scheme=default_scheme,
        dovecot=dovecot,
        allow_weak=allow_weak,
        limits=Limits(parse_size(max_memory), max_seconds),
        verifier=_verifier(vsz_limit, idle),
    )
    if batch is not None:
        _run_batch(batch, settings, jobs)
        return
    text = _one(stored, stored_fd, password_from_stdin=stdin)
    ask = ask_password or (password_fd is None and not stdin)
    password = read_password(ask=ask, descriptor=password_fd, stdin=stdin)
    assert password is not None, "one of the three was asked for"
    judgement = batches.verify(text, password, user, settings)
    shown = judge.shown(text, default_scheme=default_scheme)
    if as_json:
        click.echo(json.dumps(report.of_judgement(judgement, shown)))
    else:
        reason = f": {judgement.reason}" if judgement.reason else ""
        _say(
            f"{shown}  {judgement.verdict.value}{reason}",
            "good" if judgement.verdict is Verdict.MATCH else "bad",
        )
    ctx.exit(_STATUS[judgement.verdict])


@hash_.command(epilog=_EXITS)
@_stored
@_for
@_weak
@_default
@_json
@_jobs
@click.pass_context
def show(
    ctx: click.Context,
    stored: str | None,
    stored_fd: int | None,
    batch: str | None,
    dovecot: tuple[int, ...] | None,
    allow_weak: bool,
    default_scheme: str | None,
    as_json: bool,
    jobs: int | None,
) -> None:
    """Explain a stored string: what it is, what it takes, who takes it, what is wrong with it.

    Prints neither salt nor digest, but for the mended string, where there is one.
    """
    from mailauth.hashes import batch as batches, report  # noqa: PLC0415
    from mailauth.hashes.explain import explain  # noqa: PLC0415

    if batch is not None:
        settings = batches.Settings(
            "show", default_scheme=default_scheme, dovecot=dovecot, allow_weak=allow_weak
        )
        _run_batch(batch, settings, jobs)
        return
    it = explain(
        _one(stored, stored_fd), default_scheme=default_scheme, dovecot=dovecot, allow_weak=allow_weak
    )
    if as_json:
        click.echo(json.dumps(report.of_explanation(it)))
    else:
        _table(report.rows(it))
    ctx.exit(0 if it.flaw is None else _STATUS[it.flaw.verdict])


def _table(rows: list[tuple[str, str, str]]) -> None:
    """Lined up on a terminal by Rich, which wraps; elsewhere one line each, for grep."""
    if not sys.stdout.isatty():
        for label, text, _ in rows:
            click.echo(f"{label:<16} {text}")
        return
    from rich.console import Console  # noqa: PLC0415 - 100 ms that pipes need not pay
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for label, text, mood in rows:
        table.add_row(Text(label, "bold"), Text(text, {"good": "green", "bad": "red"}.get(mood, "")))
    Console(highlight=False).print(table)


@hash_.command(epilog=_EXITS)
@_stored
@_password
@click.option(
    "--from", "origin", metavar="ORIGIN", help="What bare hex digits are: nt, md5, courier, sha256."
)
@_for
@_json
@_jobs
@click.pass_context
def convert(
    ctx: click.Context,
    stored: str | None,
    stored_fd: int | None,
    batch: str | None,
    ask_password: bool,
    password_fd: int | None,
    stdin: bool,
    origin: str | None,
    dovecot: tuple[int, ...] | None,
    as_json: bool,
    jobs: int | None,
) -> None:
    """Turn another software's hash into Dovecot's form, where no plaintext is needed.

    With a password (also in a batch's lines) the result is verified before it is given.
    """
    from mailauth.hashes import batch as batches, foreign, report  # noqa: PLC0415

    if batch is not None:
        _run_batch(batch, batches.Settings("convert", dovecot=dovecot, origin=origin), jobs)
        return
    text = _one(stored, stored_fd, password_from_stdin=stdin)
    password = read_password(ask=ask_password, descriptor=password_fd, stdin=stdin)
    found = foreign.convert(text, password=password, origin=origin, dovecot=dovecot)
    record = report.of_found(found)
    if as_json:
        click.echo(json.dumps(record))
    elif found.dovecot is None:
        click.echo(f"{found.source}: cannot, because {found.reason}", err=True)
    else:
        click.echo(record["dovecot"])
        if found.reason:
            click.echo(f"{found.source}: {found.reason}", err=True)
    ctx.exit(0 if found.dovecot is not None else 1)


@hash_.command(epilog=_EXITS)
@click.option(
    "-s", "--scheme", default="ARGON2ID", show_default=True, help="With .hex, .b64 or .base64 if wanted."
)
@click.option(
    "--profile", metavar="NAME", help="Argon2 by name: owasp, rfc9106-second, moderate, dovecot ...; list."
)
@click.option("--fit", is_flag=True, help="The strongest Argon2 for --vsz-limit, or for the Dovecot here.")
@click.option("--memory", metavar="SIZE", help="Argon2: 64M, or a number of KiB.")
@click.option("--time", type=int, metavar="N", help="Argon2: passes.")
@click.option("--lanes", type=int, metavar="N", help="Argon2: lanes.")
@click.option("--cost", type=int, metavar="N", help="bcrypt: 4 to 31.")
@click.option("--rounds", type=int, metavar="N", help="PBKDF2, SCRAM, SHA-crypt, OTP.")
@click.option("--kind", metavar="PREFIX", help="CRYPT: $y$, $6$, ... instead of bcrypt.")
@_password
@_user
@_for
@_weak
@_limit
@_idle
@click.option("--csv", "csv_file", metavar="FILE|-", help="Many: user,password in, user,stored,error out.")
@_json
@_jobs
@click.pass_context
def new(
    ctx: click.Context,
    scheme: str,
    profile: str | None,
    fit: bool,
    memory: str | None,
    vsz_limit: str | None,
    idle: str,
    csv_file: str | None,
    as_json: bool,
    jobs: int | None,
    ask_password: bool,
    password_fd: int | None,
    stdin: bool,
    user: str,
    dovecot: tuple[int, ...] | None,
    allow_weak: bool,
    **numbers: int | str | None,
) -> None:
    """Make a new hash, by today's recommendations; asks for the password twice.

    Refuses what the target Dovecot could not verify: a scheme it lacks or refuses (--for), or more
    memory than --vsz-limit leaves (256M if not given; "unlimited" turns this off).
    """
    from mailauth.hashes import making, strength  # noqa: PLC0415

    if profile == "list":
        for name, (about, params) in strength.PROFILES.items():
            click.echo(f"{name:<16} {about} (m={params['memory']},t={params['time']},p={params['lanes']})")
        return
    limit = making.DEFAULT_LIMIT if vsz_limit is None else parse_limit(vsz_limit)
    if fit and vsz_limit is None:
        limit = _limit_in_force()
    options: dict[str, int | str] = making.profile(profile) if profile else {}
    options |= making.fit(limit, parse_size(idle)) if fit else {}
    if memory is not None:
        options["memory"] = int(memory) if memory.isdigit() else parse_size(memory) // 1024
    options |= {name: value for name, value in numbers.items() if value is not None}
    order = making.Order(scheme, tuple(options.items()), dovecot, allow_weak, limit, parse_size(idle))
    refused = making.refused_before(order)
    if refused is None and csv_file is not None:
        _make_many(order, csv_file, jobs)
        return
    made: str | Judgement = refused or making.make(
        order, _new_password(ask_password, password_fd, stdin), user
    )
    if isinstance(made, Judgement):
        if as_json:
            click.echo(json.dumps({"stored": None, "verdict": made.verdict.value, "reason": made.reason}))
        else:
            click.echo(f"mailauth: not made: {made.reason}", err=True)
        ctx.exit(_STATUS[made.verdict])
    click.echo(json.dumps({"stored": made, "shown": judge.shown(made)}) if as_json else made)


def _new_password(ask: bool, descriptor: int | None, stdin: bool) -> Password:
    if not ask and (descriptor is not None or stdin):
        password = read_password(ask=False, descriptor=descriptor, stdin=stdin)
    else:
        text = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
        password = Password.of(text)
    assert password is not None, "one of the three was asked for"
    return password


def _limit_in_force() -> int | None:
    """The smaller of the limits of the two services that verify, as doveconf reports them."""
    from mailauth.dovecot.doveadm import Installation  # noqa: PLC0415
    from mailauth.dovecot.site import read_config  # noqa: PLC0415

    try:
        config = read_config(Installation())
    except CannotObserve as why:
        raise UsageError(f"--fit needs --vsz-limit here: {why}") from None
    limits = [service.limit for service in config.services.values() if service.limit is not None]
    return min(limits, default=None)


def _make_many(order: Any, name: str, jobs: int | None) -> None:
    import io  # noqa: PLC0415

    from mailauth.hashes import batch, making  # noqa: PLC0415

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("user", "stored", "error"))
    with _opened(name) as binary, _progress() as advance:
        rows = making.read_csv(io.TextIOWrapper(binary, "utf-8", errors="surrogateescape", newline=""))
        tasks = ([row] for row in rows)
        maker = making.Maker(order)
        for answers in batch.in_order(maker, tasks, jobs=jobs or batch.cores(), lost=maker.lost):
            out.writerows(answers)
            advance(len(answers))


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("hashing", total=None)
        yield lambda done: bar.advance(task, done)
