"""``mailauth lab``: a real, disposable Dovecot to try things on."""

import dataclasses
import re
import secrets
import select
import shlex
import signal
import sys
from pathlib import Path

import click
import msgspec

from mailauth import handed
from mailauth.cli.shared.given import without
from mailauth.errors import UsageError
from mailauth.lab import KINDS, Lab, builds
from mailauth.lab.settings import PROTOCOLS
from mailauth.lab.stores import Jwt


@dataclasses.dataclass(frozen=True, slots=True)
class Reached:
    """How to reach a lab; what ``--json`` prints."""

    dovecot: str
    store: str
    config: str
    settings: str
    auth_socket: str
    master_pid: int
    log: str
    database_url: str
    ports: dict[str, int]
    passwords: dict[str, str]  # of the users made up here
    diagnose: str
    login: str
    reload: str


@click.group()
def lab() -> None:
    """Start a real, disposable Dovecot with a real store."""


@lab.command(name="list")
def list_() -> None:
    """List the Dovecot versions that the lab can run."""
    here = str(build.version) if (build := builds.installed()) else ""
    if here and here not in [release.version for release in builds.RELEASES]:
        click.echo(f"{here:<10} installed")
    for release in builds.RELEASES:
        build = builds.unpacked(release)
        version = str(build.version) if build else release.version
        state = f"in {build.root}" if build else f"to be fetched: mailauth lab fetch {release.version}"
        if here == release.version:
            state = "installed"
        click.echo(f"{version:<10} Debian {release.suite:<19} {state}")


@lab.command()
@click.argument("versions", nargs=-1, required=True, metavar="VERSION...")
def fetch(versions: tuple[str, ...]) -> None:
    """Fetch and unpack Dovecots of other Debian releases.

    They go into the cache folder: MAILAUTH_CACHE, or else ~/.cache/mailauth.
    """
    _end_tidily()
    for version in versions:
        build = builds.ensure(version, click.echo)
        click.echo(f"{build.version!s:<10} {f'in {build.root}' if build.root else 'installed'}")


@lab.command()
@click.option("--dovecot", metavar="VERSION", help="Dovecot version.  [the installed one]")
@click.option(
    "--store",
    type=click.Choice(list(KINDS)),
    default="passwd-file",
    show_default=True,
    metavar="STORE",
    help=f"Kind of store: {', '.join(KINDS)}.  docs/lab.md says which Dovecot has which.",
)
@click.option(
    "--user", "names", multiple=True, metavar="NAME", help="Add a user with a generated password; repeatable."
)
@click.option(
    "--users",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read users from this file, one line each: NAME:STORED, such as alice:{ARGON2ID}$argon2id$...",
    metavar="FILE",
)
@click.option(
    "--stored",
    metavar="SCHEME",
    default="SHA512-CRYPT",
    show_default=True,
    help="Scheme of the generated passwords; tokens are kept as they are.",
)
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with settings to add at the end of dovecot.conf.",
    metavar="FILE",
)
@click.option(
    "--protocol",
    "protocols",
    type=click.Choice(PROTOCOLS),
    multiple=True,
    help="Also serve this protocol on 127.0.0.1; repeatable.  [authentication only]",
)
@click.option("--tls", is_flag=True, help="Offer STARTTLS, and implicit TLS on separate ports.")
@click.option("--postfix", is_flag=True, help="Also run a Postfix that asks this Dovecot (root only).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on one line.")
def run(
    dovecot: str | None,
    store: str,
    names: tuple[str, ...],
    file: Path | None,
    stored: str,
    settings: Path | None,
    protocols: tuple[str, ...],
    tls: bool,
    postfix: bool,
    as_json: bool,
) -> None:
    """Start a disposable Dovecot; Ctrl-C removes it.

    Prints how to reach it.
    """
    _end_tidily()
    if not names:
        without("lab run without --user", "stored")
    if not protocols and not postfix:
        without("lab run without --protocol and --postfix", "tls")
    users = _read_users(file) if file else {}
    passwords = {name: secrets.token_urlsafe(9) for name in names}
    if not users and not passwords:
        raise UsageError("Name at least one user: --user NAME, or --users FILE.")
    if any(":" in name or not name.isprintable() for name in names) or "" in names:
        raise UsageError("--user NAME: a name is not empty, and has no colon and no control character.")
    builds.ensure(dovecot, lambda line: click.echo(line, err=True))
    text = handed.text(settings, "surrogateescape") if settings else ""
    try:
        with Lab(dovecot, store, users, text, protocols, tls=tls, postfix=postfix) as one:
            if passwords:
                one.set_users({**users, **_kept(one, stored, passwords)})
            reached = _reached(one, [*users, *passwords][0], passwords)
            click.echo(msgspec.json.encode(reached) if as_json else _text(reached))
            _wait()
    except UsageError as why:  # Dovecot names the lab's copy, which is gone
        raise UsageError(
            re.sub(r"\S+/mailauth-lab-\w+/settings\.conf", lambda _: str(settings), str(why))
        ) from why
    except KeyboardInterrupt:
        if not as_json:
            click.echo("Removed.")


def _end_tidily() -> None:
    """Let SIGINT, which a shell's background job inherits as ignored, and SIGTERM be KeyboardInterrupt."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)


def _wait() -> None:
    """Wait for a signal's KeyboardInterrupt, or until nobody reads what we print any more (``| head -1``)."""
    poll = select.poll()
    if sys.stdout:  # None when it was closed from the start
        sys.stdout.flush()
        poll.register(sys.stdout.fileno(), 0)  # that the reader is gone is told unasked
    poll.poll()


def _read_users(file: Path) -> dict[str, str | None]:
    users: dict[str, str | None] = {}
    for number, line in enumerate(handed.text(file, "surrogateescape").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, stored = line.partition(":")
        if not colon or not name:
            raise UsageError(f"{file}:{number}: write NAME:STORED.")
        users[name] = stored
    return users


def _kept(one: Lab, scheme: str, passwords: dict[str, str]) -> dict[str, str]:
    """What the store keeps of made-up passwords, which are replaced where it makes them by itself."""
    if isinstance(one.store, Jwt):
        passwords.update({name: one.store.token(name) for name in passwords})
    if KINDS[one.driver].keeps != "hash":
        return dict(passwords)
    return {name: _hash(one, scheme, password) for name, password in passwords.items()}


def _hash(one: Lab, scheme: str, password: str) -> str:
    done = one.run("doveadm", "pw", "-s", scheme, input=f"{password}\n{password}\n")
    if done.returncode or not done.stdout.strip().startswith("{"):
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["it said nothing"]
        raise UsageError(f"doveadm pw -s {scheme}: {said[-1]}")
    return done.stdout.strip().splitlines()[-1]


def _reached(one: Lab, user: str, passwords: dict[str, str]) -> Reached:
    where = ["--pid", str(one.master_pid)] if one.entered else ["-c", str(one.config)]
    tokens_only = isinstance(one.store, Jwt) and one.dialect == "2.4"
    return Reached(
        dovecot=str(one.version),
        store=one.driver,
        config=str(one.config),
        settings=str(one.settings_file),
        auth_socket=str(one.auth_socket),
        master_pid=one.master_pid,
        log=str(one.folder / "log"),
        database_url=one.store.url,
        ports=one.ports,
        passwords=passwords,
        diagnose=shlex.join(["mailauth", "diagnose", *where, user]),
        login="" if tokens_only else shlex.join(one.argv("doveadm", "auth", "test", "--", user)),
        reload=shlex.join(one.argv("doveadm", "reload")),
    )


def _text(reached: Reached) -> str:
    rows = {
        "configuration": reached.config,
        "your settings": reached.settings,
        "auth socket": reached.auth_socket,
        "log": reached.log,
        "master": f"pid {reached.master_pid}",
        "directory" if reached.database_url.startswith("ldapi:") else "database": reached.database_url,
        **{protocol: f"127.0.0.1 port {port}" for protocol, port in reached.ports.items()},
        **{f"password of {name}": password for name, password in reached.passwords.items()},
        "diagnose": reached.diagnose,
        "log in": reached.login,
        "reload": reached.reload,
    }
    width = max(map(len, rows))
    lines = [f"Dovecot {reached.dovecot} with {reached.store}. Ctrl-C removes all of it.", ""]
    return "\n".join(lines + [f"  {name:<{width}}  {value}" for name, value in rows.items() if value])
