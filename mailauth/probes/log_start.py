"""Whether auth starts, and what a Dovecot, or an auth, that does not start says of it in the log."""

import os
import time
from contextlib import suppress

from mailauth.dovecot import typed
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthStart, LastWords, NotApplicable
from mailauth.probes.log_tail import events_in, read_log
from mailauth.probes.process import NotRunning, master_process, running
from mailauth.probes.scene import Scene

_GREETS = 3.0  # seconds: an auth that ended is tried again after 2, src/master/service-monitor.c
_THROTTLED = 90.0  # seconds: the longest that Dovecot waits until it tries again is 60
_LOGS = 2.0  # seconds for the log process to write why, on a busy machine
_APART = 0.1
_ENDS = (LogKind.NO_START, LogKind.PANIC)
_OF_THE_MASTER = "command startup failed"  # says that it ended, not why
_GRAVE = ("Error", "Fatal", "Panic")
_AT_ITS_END = 2.0  # seconds between auth's own line and the master's


def observe_auth_start(scene: Scene) -> AuthStart | NotApplicable:
    """Greet auth; where no process of it is there then, look for its last words.

    Raises CannotObserve where we may not ask, and where auth is there and silent: AUTH012 tells of that.
    """
    try:
        master_process(scene.dovecot, scene.config)
    except NotRunning:
        return NotApplicable(AuthStart, "Dovecot does not run")
    name = f"{scene.config.base_dir}/auth-client"
    path = scene.dovecot.path(name)
    began = time.time()
    try:
        with AuthSocket(path, timeout=_GREETS):
            return AuthStart(name, starts=True)
    except CannotObserve as why:
        if why.needs_root or not os.access(path, os.R_OK | os.W_OK):
            raise CannotObserve(f"{name}: only root may ask whether auth runs.", needs_root=True) from None
        if _stays(scene):
            return NotApplicable(AuthStart, "auth runs, and did not greet")
    event = _last(scene, began - _THROTTLED)
    if event is None:
        see = typed.shown(scene.dovecot, "doveadm", "log", "errors")
        raise CannotObserve(f"{name}: no auth process runs, and the log does not say why: {see}.")
    return AuthStart(name, False, event.text, event.row.says if event.row else "")


def _stays(scene: Scene) -> bool:
    """Whether the same auth process is there twice: one that ends as it starts is not."""
    with suppress(CannotObserve):
        master = master_process(scene.dovecot, scene.config)
        before = set(running(master, "auth"))
        time.sleep(1.0)
        return bool(before & set(running(master, "auth")))
    return False


def _last(scene: Scene, since: float) -> LogEvent | None:
    """The last line in which auth says why it ends; waited for, since the log lags behind."""
    deadline = time.monotonic() + _LOGS
    while True:
        found = None
        with suppress(CannotObserve):
            found = _of_auth(scene, since)
        if found or time.monotonic() > deadline:
            return found
        time.sleep(_APART)


def _of_auth(scene: Scene, since: float) -> LogEvent | None:
    """Its own line of why it ends; else what the master says, with the error that auth logged before that."""
    events = [one for one in _events(scene) if one.when is None or one.when.timestamp() > since]
    mine = [one for one in events if one.process == "auth" or "service(auth)" in one.text]
    ends = [one for one in mine if one.kind in _ENDS and not _goes_on(one)]
    telling = [one for one in ends if _OF_THE_MASTER not in one.text]
    if telling or not ends:
        return next(reversed(telling), None)
    end = ends[-1]
    near = [one for one in mine if _apart(one, end) <= _AT_ITS_END]
    killed = next((one for one in reversed(near) if one.kind is LogKind.CRASHED), end)
    errors = [one for one in near if one.level in _GRAVE and one not in ends and one.kind is not killed.kind]
    whole = (one for one in reversed(errors) if one.text and not one.user and not _goes_on(one))
    error = next(whole, None)
    last = killed.text.removeprefix("master: ")
    return end if error is None else error._replace(text=f"{error.text}; then {last}")


def _goes_on(one: LogEvent) -> bool:
    """Whether it is the second line of a message, as libpq and Lua write them: after a tab, made visible."""
    return one.text.startswith(("\\t", " ", "stack traceback:"))


def _apart(one: LogEvent, other: LogEvent) -> float:
    """Seconds between two lines; 0 where one has no time."""
    return abs((one.when - other.when).total_seconds()) if one.when and other.when else 0.0


def _events(scene: Scene) -> list[LogEvent]:
    """The lines of the log, or of what the log process keeps."""
    with suppress(CannotObserve):
        log = read_log(scene)
        return [event for event, _ in log.events] if log else []
    said = scene.dovecot.run("doveadm", "log", "errors", timeout=10.0).out
    return list(events_in(scene, said.encode().splitlines(), set()))


def observe_last_words(scene: Scene) -> LastWords | NotApplicable:
    """What a Dovecot that does not run logged last: the lines of its last start, or of its end."""
    try:
        master_process(scene.dovecot, scene.config)
    except NotRunning:
        log = read_log(scene)
    else:
        return NotApplicable(LastWords, "Dovecot runs")
    events = [event for event, _ in log.events if event.kind in _ENDS] if log else []
    # A Fatal of the master follows the line that says why.
    last = events[-1] if events else None
    if last and last.text.startswith("Failed to start listeners"):
        last = next((one for one in reversed(events[:-1]) if one.text.startswith("service(")), last)
    says = last.row.says if last and last.row else ""
    return LastWords(log.source if log else "log", last.text if last else "", says)
