"""What ``login`` does; its options are in ``login.py``."""

import sys
import time
from datetime import UTC, datetime

import click

from mailauth.cli.shared.given import without
from mailauth.cli.shared.progress import asking
from mailauth.cli.shared.secrets import read_password
from mailauth.cli.shared.target import address_of
from mailauth.cli.shared.values import host_and_port
from mailauth.clients.door import TLS, Door
from mailauth.dovecot import holding
from mailauth.dovecot.doveadm import Installation, chosen
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import Password
from mailauth.login.enter import LoginBounds, log_in
from mailauth.login.judge import judge
from mailauth.login.logged import mark, with_log
from mailauth.login.site import Site, look_at
from mailauth.login.watch import REFUSED_AGAIN, Round, after, changes, wait
from mailauth.login.way import Attempt
from mailauth.login.ways import Choice, not_tried, smtp_doors, ways
from mailauth.probes.log_added import Mark
from mailauth.records import dataclass
from mailauth.render.json import to_json
from mailauth.render.login import login_report, login_text

_LONGEST = 4096  # bytes; a line of the auth protocol has 8192 at most, in base64 and with all else


def login(
    user: str,
    config: str | None,
    pid: int | None,
    ask_password: bool,
    password_fd: int | None,
    password_stdin: bool,
    protocols: tuple[str, ...],
    mechanisms: tuple[str, ...],
    tls: tuple[str, ...],
    every: bool,
    host: str,
    smtp: tuple[str, ...],
    smtps: tuple[str, ...],
    insecure: bool,
    address: str,
    refusals: int,
    timeout: float,
    watch: float | None,
    as_json: bool,
) -> None:
    if not user.isprintable() or not user:
        raise UsageError(
            "the user name is empty, not UTF-8 or has a control character; give the name as clients send it."
        )
    if as_json and watch:
        raise UsageError("--json and --watch: one of the two.")
    if protocols and "smtp" not in protocols:
        without(f"login --way {' --way '.join(protocols)}", "smtp", "smtps")
    if not (host or smtp or smtps):
        without("login without --host, --smtp and --smtps", "insecure")
    password = read_password(ask=ask_password, descriptor=password_fd, stdin=password_stdin)
    if password is None:
        raise UsageError("a login needs the password: add -p, --password-fd or --password-stdin.")
    if len(password.raw) > _LONGEST:
        raise UsageError(f"a password of more than {_LONGEST} bytes does not fit into a request to Dovecot.")
    choice = Choice(
        protocols=protocols,
        mechanisms=tuple(name.upper() for name in mechanisms),
        tls=tuple(one for one in TLS if one in tls),
        host=host,
        smtp=named_doors(smtp, smtps, guarded=not insecure) if "smtp" in protocols or not protocols else (),
        address=address_of(address),
        every=every,
        insecure=insecure,
    )
    where = [word for name, value in (("-c", config), ("--pid", pid)) if value for word in (name, str(value))]
    asked = _Asked(user, password, chosen(config, pid), choice, refusals, timeout, tuple(where), pid)
    if watch:
        _watch(asked, watch)
    sys.exit(_show(asked, asked.round(announce=True), as_json=as_json))


@dataclass(frozen=True, slots=True)
class _Round:
    """All ways once: the Dovecot, what came of them, and what a reader must know of what was left out."""

    site: Site
    attempts: list[Attempt]
    began: Mark
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for on the command line."""

    user: str
    password: Password
    dovecot: Installation
    choice: Choice
    refusals: int
    timeout: float  # seconds for all ways
    where: tuple[str, ...]
    pid: int | None

    def round(self, *, announce: bool = False, refusals: int = 0) -> _Round:
        """All ways, once.  Raises UsageError where a Postfix is asked for and there is none."""
        wanted = not self.choice.smtp and (not self.choice.protocols or "smtp" in self.choice.protocols)
        site = look_at(self.dovecot, postfix=wanted)
        others = site.postfix.notes if site.postfix else ()
        if "smtp" in self.choice.protocols and not smtp_doors(site, self.choice):
            why = "".join(f" {one}." for one in others[:1])
            raise UsageError(
                f"--way smtp: no Postfix here asks this Dovecot; name its port with --smtp.{why}"
            )
        found = ways(site, self.choice)
        logins = sum(not way.unasked for way in found)
        most = min(refusals or self.refusals, logins)
        if announce:
            click.echo(
                f"{logins} logins as {self.user}; at most {most} of them with a refused password, which"
                " Dovecot answers by holding the next ones from here back (the penalty, up to 15 s).",
                err=True,
            )
        began = mark(site)
        with asking(len(found), self.timeout) as ask:
            bounds = LoginBounds(most, time.monotonic() + self.timeout, lambda way: ask(way.name))
            attempts = list(
                log_in(found, self.user, self.password, site, address=self.choice.address, bounds=bounds)
            )
        return _Round(site, attempts, began, tuple(one for one in (not_tried(found), *others) if one))


def _show(asked: _Asked, done: _Round, *, as_json: bool) -> int:
    """Print it; the exit status."""
    judged = with_log(judge(done.attempts), asked.user, done.site, done.began)
    report = login_report(
        asked.user, str(done.site.config.version), done.attempts, judged, asked.where, done.notes
    )
    click.echo(to_json(report) if as_json else login_text(report, done.attempts), nl=as_json)
    return 1 if judged.faults else 3 if judged.unseen else 0


def _watch(asked: _Asked, seconds: float) -> None:
    """Print all, then changes only, until it is interrupted."""

    def line(text: str) -> None:
        click.echo(f"{datetime.now(UTC).isoformat(timespec='seconds')}  {text}")
        sys.stdout.flush()

    done = asked.round(announce=True)
    _show(asked, done, as_json=False)
    known, refused, unseen = after(Round(), done.attempts), 0, ""
    while True:
        refused = refused + 1 if known.refused else 0
        pause = wait(seconds, refused)
        if refused:
            line(f"a password was refused: the next look is in {pause:.0f} s")
        time.sleep(pause)
        if asked.pid:
            holding.check(asked.pid)  # raises: it will not come back under that number
        try:
            attempts = asked.round(refusals=REFUSED_AGAIN if refused else 0).attempts
        except (CannotObserve, UsageError) as why:
            if str(why) != unseen:
                unseen = str(why)
                line(unseen)
            continue
        unseen = ""
        now = after(known, attempts)
        for one in changes(known, now):
            line(f"{one.what}: {one.before} -> {one.now}")
        known = now


def named_doors(smtp: tuple[str, ...], smtps: tuple[str, ...], *, guarded: bool) -> tuple[Door, ...]:
    """Postfix's ports.  Raises UsageError."""
    found: list[Door] = []
    for text in (*smtp, *smtps):
        name, port = host_and_port(text if ":" in text else f"127.0.0.1:{text}", "--smtp")
        if not port:
            raise UsageError(f"--smtp {text}: name the port, such as 127.0.0.1:587.")
        if text in smtp:
            found += [Door("smtp", name, port, tls, guarded=guarded) for tls in ("plain", "starttls")]
        else:
            found.append(Door("smtp", name, port, "tls", guarded=guarded))
    return tuple(found)
