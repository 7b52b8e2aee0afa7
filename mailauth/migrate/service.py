"""The service behind rehashing on login: hears of logins, and migrates one user after the other.

The ear is a thread of its own and answers at once.  What it heard waits in bounded queues, still sealed;
what does not fit is dropped and comes again with the user's next login.  Each worker is a thread, since
making a hash holds no lock of Python's.  A user's reports go to one worker: none is worked at beside another.
"""

import asyncio
import contextlib
import queue
import re
import signal
import socket
import threading
import time
import zlib
from collections import Counter, OrderedDict
from dataclasses import field
from types import FrameType

import psutil
import stamina
import stamina.instrumentation

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, MailauthError
from mailauth.hashes import Password
from mailauth.hashes.making import Order
from mailauth.listening.http import Bounds, HttpServer
from mailauth.listening.repeats import Repeats
from mailauth.migrate.limits import Failures, Seen
from mailauth.migrate.onlogin import OnLogin
from mailauth.migrate.receiver import Heard, Receiver
from mailauth.migrate.rehash import Done, Rehashed, Write, rehash
from mailauth.migrate.room import room_of
from mailauth.migrate.sealed_password import opened, parsed
from mailauth.migrate.tally import OutcomeCounts
from mailauth.probes.process import master_process, running
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

WAITING = 1000  # logins that may wait
_KNOWN = 100_000  # users remembered as done
_AGAIN = 3600.0  # seconds until a user known as done is looked at again
_FRESH = 60.0  # seconds that the configuration is taken as read
_TRANSIENT = (Rehashed.NOT_READ, Rehashed.NOT_WRITTEN)
_ATTEMPTS = 3
_TOLD = 1.0  # seconds between two writes of what was only counted
_NOTICED = 0.2  # seconds until a signal is
_LOOKED = 5.0  # seconds between two looks at who Dovecot's auth runs as
_STRANGER = "it is neither root's nor that of Dovecot's auth"


class _TryAgainError(Exception):
    """The store did not answer; carries what to count when it never does."""

    def __init__(self, done: Done) -> None:
        super().__init__(done.why)
        self.done = done


_SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # what a service may be called


@dataclass(slots=True)
class RehashService:
    """One service for one Dovecot.  ``say`` takes lines for the journal, without secrets."""

    settings: OnLogin
    tally: OutcomeCounts
    write: Write
    say: Repeats
    seen: Seen
    workers: int = 1
    _waiting: tuple[queue.Queue[Heard], ...] = ()
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _limiting: threading.Lock = field(default_factory=threading.Lock)
    _known: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _config: AuthConfig | None = None
    _order: Order | None = None
    _read_at: float = 0.0
    _stopped: bool = False
    _counts: Counter[Rehashed] = field(default_factory=Counter)  # not written yet
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _told_at: float = 0.0
    _failures: Failures = field(default_factory=Failures)
    _friends: frozenset[int] = frozenset({0})
    _looked_at: float = float("-inf")

    def __post_init__(self) -> None:
        self._waiting = tuple(queue.Queue(max(1, WAITING // self.workers)) for _ in range(self.workers))

    def run(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT."""
        stamina.instrumentation.set_on_retry_hooks(())  # it would print; what comes of it is said below
        receiver = Receiver(self.settings.token, self._take, self.say, self._count)
        server = HttpServer(Bounds(), receiver.answer, self.say, self._refused)
        ear = threading.Thread(target=lambda: asyncio.run(server.serve(listener)), daemon=True)
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, self._stop)
        crew = [threading.Thread(target=self._work, args=(its,), daemon=True) for its in self._waiting]
        for thread in (ear, *crew):
            thread.start()
        while not self._is_stopped():
            time.sleep(_NOTICED)
            self._tell_counts()
            if not (self._is_stopped() or all(thread.is_alive() for thread in (ear, *crew))):
                raise CannotObserve("the service hears or does nothing any more; start it again.")
        for worker in crew:
            worker.join()
        for its in self._waiting:  # they come again with their next login
            self._count_all(Rehashed.DROPPED, its.qsize())
        self._tell_counts(now=True)
        self.say.close()

    def _work(self, waiting: queue.Queue[Heard]) -> None:
        """One worker, until the service is stopped."""
        while not self._is_stopped():
            with contextlib.suppress(queue.Empty):
                self._one(waiting.get(timeout=_NOTICED))

    def _is_stopped(self) -> bool:
        return self._stopped  # by a signal, at any moment

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopped = True  # no more: the queue's lock may be held by what was interrupted

    def _refused(self, uid: int | None) -> str:
        """Called by the ear: only root and Dovecot's auth are heard."""
        if uid in self._friends:
            return ""
        if uid is not None and time.monotonic() - self._looked_at > _LOOKED:
            with contextlib.suppress(MailauthError, psutil.Error):
                self._friends = frozenset({0}) | self._auth_users()
            self._looked_at = time.monotonic()
        return "" if uid in self._friends else _STRANGER

    def _auth_users(self) -> frozenset[int]:
        """Who the running auth processes are."""
        master = master_process(self._dovecot, read_config(self._dovecot))
        return frozenset(psutil.Process(pid).uids().effective for pid in running(master, "auth"))

    def _take(self, heard: Heard) -> None:
        """Called by the ear: must not wait."""
        if self._known.get(heard.user, 0.0) > time.monotonic():
            self._count(Rehashed.ALREADY)
            return
        try:
            of_user = zlib.crc32(heard.user.encode("utf-8", "surrogatepass")) % self.workers
            self._waiting[of_user].put_nowait(heard)
        except queue.Full:
            self._count(Rehashed.DROPPED)

    def _count(self, outcome: Rehashed) -> None:
        """Of what costs no work.  It is written once a second, since there may be many."""
        self._count_all(outcome, 1)

    def _count_all(self, outcome: Rehashed, count: int) -> None:
        with self._counting:
            self._counts[outcome] += count

    def _tell_counts(self, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._told_at < _TOLD:
            return
        self._told_at = time.monotonic()
        with self._counting:
            counts, self._counts = self._counts, Counter()
        for outcome, count in counts.items():
            self._tally(outcome, count)

    def _tally(self, outcome: Rehashed, count: int = 1) -> None:
        try:
            self.tally.add(outcome, count)
        except Exception as why:  # noqa: BLE001 - a full disk must not end the service; sqlite3 has many errors
            self.say("the count could not be kept", f"the count could not be kept: {why}")

    def _one(self, heard: Heard) -> None:
        if self._known.get(heard.user, 0.0) > time.monotonic():
            self._count(Rehashed.ALREADY)
            return
        with self._limiting:
            passed_over = self._failures.too_many(heard.user)
        if passed_over:
            self.say("reports were passed over: too many failed", "reports are passed over: too many failed")
            self._count(Rehashed.PASSED_OVER)
            return
        done = self._done(heard)
        if done.outcome in (Rehashed.MIGRATED, Rehashed.ALREADY):
            self._remember(heard.user)
        elif done.outcome is not Rehashed.NOT_OURS:
            why = f" ({done.why})" if done.why else ""
            self.say(done.outcome.value, f"{heard.user!r}: {done.outcome.value}{why}")
        with self._limiting:
            if done.outcome is Rehashed.FORGED:
                self._failures.forged.take()
            elif done.outcome is Rehashed.NO_MATCH:
                self._failures.add(heard.user)
        self._tally(done.outcome)

    def _remember(self, user: str) -> None:
        with self._limiting:
            self._known[user] = time.monotonic() + _AGAIN
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def _done(self, heard: Heard) -> Done:
        sealed = parsed(heard.sealed, heard.mac)
        password = opened(sealed, heard.user, self.settings.key, self.settings.nonce) if sealed else None
        if sealed is None or password is None:
            return Done(Rehashed.FORGED)
        with self._limiting:
            replayed = self.seen.before(sealed.mark)
        if replayed:
            return Done(Rehashed.REPLAYED)
        try:
            for attempt in stamina.retry_context(
                on=_TryAgainError, attempts=_ATTEMPTS, wait_initial=0.2, wait_max=2.0, timeout=None
            ):
                with attempt:
                    done = self._try(heard, password)
        except _TryAgainError as given_up:
            return given_up.done
        except MailauthError as why:
            return Done(Rehashed.NOT_READ, str(why))
        except Exception as bug:  # noqa: BLE001 - one odd user must not end the service
            return Done(Rehashed.NOT_MADE, f"a bug in mailauth: {type(bug).__name__}")
        return done

    def _try(self, heard: Heard, password: Password) -> Done:
        """Once.  Raises _TryAgainError when the store did not answer."""
        config, order = self._current()
        dovecot, user = self._dovecot, heard.login or heard.user
        service = heard.service if _SERVICE.fullmatch(heard.service) else "imap"
        scene = Scene(dovecot, config, user, service, password=password)
        done = rehash(
            scene,
            self.settings.goal,
            order,
            self.write,
            long_too=self.settings.long_too,
            accept_loss=self.settings.accept_loss,
        )
        if done.outcome in _TRANSIENT:
            raise _TryAgainError(done)
        if done.outcome is Rehashed.MIGRATED and config.cache_size:
            dovecot.run("doveadm", "auth", "cache", "flush", "--", user, timeout=10.0)
        return done

    @property
    def _dovecot(self) -> Installation:
        return Installation(self.settings.config, self.settings.pid)

    def _current(self) -> tuple[AuthConfig, Order]:
        """The configuration, and the order for new hashes, read again when they are old."""
        with self._reading:
            if self._config is None or self._order is None or time.monotonic() - self._read_at > _FRESH:
                self._config = read_config(self._dovecot)
                self._order = order_for(self._dovecot, self._config, self.settings)
                self._read_at = time.monotonic()
            return self._config, self._order


def order_for(dovecot: Installation, config: AuthConfig, settings: OnLogin) -> Order:
    """The order for new hashes: the goal, under the smallest room of the processes that verify."""
    limit, idle = room_of(dovecot, config, config.passdbs)
    return settings.goal.order(config.version.numbers, limit, idle)
