"""A load while workers are killed, Dovecot is reloaded and the database is restarted; and both sides' counts.

Dovecot's own count is the event ``auth_request_finished`` as its stats process counts it.  A reload begins
a new stats process, and ``doveadm stats dump`` would from then on ask that one only, while the old one counts
on as long as the old auth process is there.  So a connection to each is kept, on which what doveadm asks is
asked again and again; the sum of what each said last is what Dovecot did.  Beside it, each stats process
writes the events that it counts to the log, with the session that the load gave to each request.

Source: Dovecot 2.3.19.1 and 2.4.1 src/stats/main.c (stats_die), client-reader.c (DUMP),
src/auth/auth-request.c (auth_request_log_finished: once a request).
"""

import random
import re
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from mailauth.errors import CannotObserve
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.databases import Server
from mailauth.load.authpool import AuthPool
from mailauth.load.plan import LoadPlan
from mailauth.load.pool import Bounds
from mailauth.load.result import LoadResult
from mailauth.load.run import About, load
from mailauth.load.tally import Latencies, LoadTally
from mailauth.load.users import Account, Mix
from mailauth.load.watch import Watcher

_EVENT = "event=auth_request_finished"
# The event has a field "error" as well, but it is made before that is known: it never says so of a failure.
METRICS = {"requests": _EVENT, "right": f"{_EVENT} and success=yes"}
SETTINGS = "".join(f"metric {name} {{\n  filter = {text}\n}}\n" for name, text in METRICS.items())
# The stats process also writes each event that it counts to the log, with the request's session.
_EXPORTED = (
    "event_exporter log {{\n  {transport} = log\n  format = json\n{more}}}\n"
    f"metric each {{{{\n  filter = {_EVENT}\n  exporter = log\n}}}}\n"
)
EXPORTS = {
    "2.3": _EXPORTED.format(transport="transport", more="  format_args = time-rfc3339\n"),
    "2.4": _EXPORTED.format(transport="driver", more=""),
}
_SESSION = re.compile(r'"event":"auth_request_finished".*"session":"load[0-9a-f]{8}([0-9a-f]+)"')
USERS = 20
WRONG = 0.2
_SETTLE_SECONDS = 60.0
_IN_FLIGHT_SECONDS = 2.0  # for a request to be sent to an auth that is about to be killed
_AROUND = 1.0  # seconds by which the end of a stats process may have been before we saw it


class StatsReaders:
    """Asks each stats process that there has been what ``doveadm stats dump`` asks, fifty times a second."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._links: list[socket.socket | None] = []
        self._counts: list[Counter[str]] = []
        self._asked: list[float] = []  # when each last answered
        self.gone: list[
            tuple[float, float]
        ] = []  # of each that ended: when asked last, and when seen to be gone
        self._lock = threading.Lock()
        self._end = threading.Event()
        self.next()
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def next(self) -> None:
        """Connect to the process that is there now."""
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(10.0)
        link.connect(str(self._lab.folder / "run" / "stats-reader"))
        link.sendall(b"VERSION\tstats-reader-client\t2\t0\n")
        while not link.recv(4096).endswith(b"\n"):
            pass
        with self._lock:
            self._links.append(link)
            self._counts.append(Counter())
            self._asked.append(time.monotonic())

    def counts(self) -> Counter[str]:
        """The sum over all, of one that is gone as it was last."""
        with self._lock:
            for place, link in enumerate(self._links):
                if link:
                    began = time.monotonic()
                    try:
                        self._counts[place] = _dump(link)
                        self._asked[place] = began
                    except OSError:
                        link.close()
                        self._links[place] = None
                        self.gone.append((self._asked[place], time.monotonic()))
            return sum(self._counts, Counter())

    def settled(self, requests: int = 0) -> Counter[str]:
        """When two looks agree: events reach the stats process a little later than answers their client.

        ``requests``: how many it must come to, which is waited for.
        """
        until = time.monotonic() + _SETTLE_SECONDS
        while self.counts()["requests"] < requests and time.monotonic() < until:
            time.sleep(0.1)
        before = self.counts()
        while time.monotonic() < until:
            time.sleep(0.5)
            after = self.counts()
            if after == before:
                break
            before = after
        return before

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        for link in self._links:
            if link:
                link.close()

    def _poll(self) -> None:
        while not self._end.wait(0.02):
            self.counts()


def _dump(link: socket.socket) -> Counter[str]:
    link.sendall(b"DUMP\tcount\n")
    told = b""
    while not told.endswith(b"\n\n"):
        more = link.recv(65536)
        if not more:
            raise OSError(0, "the stats process has gone")
        told += more
    found: Counter[str] = Counter()
    for line in told.decode().splitlines():
        name, _, count = line.partition("\t")
        if name in METRICS:
            found[name] = int(count)
    return found


class Witness(LoadTally):
    """Also counts by number, so that a request that ends twice is seen, and one that never ends."""

    def __init__(self) -> None:
        super().__init__(Latencies())
        self.ends: Counter[int] = Counter()
        self.answers: dict[
            int, tuple[float, float, str]
        ] = {}  # when due, when answered, and Dovecot's reason

    def answer(self, number: int, *, ok: bool, wrong: bool, reason: str, took: float) -> None:
        self.ends[number] += 1
        self.answers[number] = (time.monotonic() - took, time.monotonic(), "ok" if ok else reason)
        super().answer(number, ok=ok, wrong=wrong, reason=reason, took=took)

    def lose(self, number: int, reason: str) -> None:
        self.ends[number] += 1
        super().lose(number, reason)


@dataclass
class Faults:
    """What is done to Dovecot, in turn, by a thread of its own, until ``stop``."""

    lab: Lab
    readers: StatsReaders
    server: Server
    tally: LoadTally
    kinds: tuple[str, ...]
    pause: float
    done: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        chance = random.Random(7)  # noqa: S311 - to be repeated
        turn = 0
        while not self.tally.sent and not self.stop.wait(0.005):
            pass
        while not self.stop.wait(self.pause * chance.uniform(0.6, 1.4)):
            kind = self.kinds[turn % len(self.kinds)]
            turn += 1
            try:
                self.done[kind] += getattr(self, f"do_{kind}")(chance)
            except CannotObserve as why:
                self.problems.append(f"{kind}: {why}")

    def do_worker(self, chance: random.Random) -> int:
        """SIGKILL to a worker; 0 where none runs."""
        return self._kill(chance, "dovecot/auth", worker=True)

    def do_auth(self, chance: random.Random) -> int:
        return self._kill(chance, "dovecot/auth", worker=False)

    def do_reload(self, _chance: random.Random) -> int:
        self.lab.reload()
        self.readers.next()
        return 1

    def do_database(self, _chance: random.Random) -> int:
        self.server.kill()
        time.sleep(0.3)
        self.server.start()
        return 1

    def _kill(self, chance: random.Random, name: str, *, worker: bool) -> int:
        found = []
        for one in self.lab.processes():
            with suppress(psutil.Error):
                words = one.cmdline()
                if words and words[0].partition(" ")[0] == name and ("-w" in words) is worker:
                    found.append(one)
        if not found:
            return 0
        with suppress(psutil.Error):
            victim = chance.choice(found)
            if not worker:
                self._keep_something(victim)
            victim.send_signal(signal.SIGKILL)
        return 1

    def _keep_something(self, auth: psutil.Process) -> None:
        """Have a request sent to auth that it cannot answer, if there are connections to it."""
        auth.suspend()
        sent, until = self.tally.sent, time.monotonic() + _IN_FLIGHT_SECONDS
        while self.tally.sent == sent and time.monotonic() < until:
            time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Books:
    """Both sides' counts.  ``ends``: how many requests ended, and how many of them more than once.

    ``exported``: how many the stats processes wrote down, how many of them more than once, and how many that
    the load does not know of.  ``unheard``: answered, and not written down; ``explained``: those of them that
    an auth process answered whose stats process was ended: six seconds after a reload the master ends both,
    where a request that waits for its database keeps them.  ``late``: answered when such a stats process may
    already have been asked for the last time: it counted them, and nobody was told.
    """

    result: LoadResult
    faults: dict[str, int]
    problems: list[str]
    dovecot: dict[str, int]
    ends: tuple[int, int]
    exported: tuple[int, int, int]
    unheard: dict[str, int]
    explained: int
    late: int
    ended: int  # stats processes

    @property
    def each_once(self) -> bool:
        counts = self.result.counts
        whole = counts.ok + counts.refused + sum(counts.failed.values()) + sum(counts.lost.values())
        return self.ends == (counts.sent, 0) and whole == counts.sent and self.exported[1:] == (0, 0)

    @property
    def agree(self) -> bool:
        """What was answered is what Dovecot finished, but for what its own statistics could not hear."""
        counts, theirs = self.result.counts, self.dovecot
        silent = sum(self.unheard.values())
        unpolled = self.exported[0] - theirs["requests"]
        return (
            counts.answered == self.exported[0] + silent
            and silent == self.explained
            and 0 <= unpolled <= self.late
            and 0 <= counts.ok - theirs["right"] <= self.late + self.unheard.get("ok", 0)
        )


def keep_books(
    version: str,
    server: Server,
    *,
    seconds: float,
    rate: float,
    pause: float,
    kinds: tuple[str, ...] = ("database", "worker", "reload"),
) -> Books:
    """Load for so long, with a fault each ``pause`` seconds or so; then compare.

    ``server``: a database server of our own, running, which is killed and started.
    """
    passwords = {f"u{n}": Password.of(f"secret {n}") for n in range(USERS)}
    stored: dict[str, str | None] = {
        user: generate("SHA256-CRYPT", password, rounds=5000) for user, password in passwords.items()
    }
    accounts = tuple(Account(user, password) for user, password in passwords.items())
    with Lab(version, server.driver, stored, SETTINGS + EXPORTS[version[:3]], database=server) as lab:
        readers = StatsReaders(lab)
        before = readers.settled()
        mix, witness = Mix(accounts, WRONG), Witness()
        faults = Faults(lab, readers, server, witness, kinds, pause)
        plan = LoadPlan(rate, rate, seconds, 0.0, WRONG, connections=4, in_flight=1000, timeout=100.0)
        thread = threading.Thread(target=faults.run)
        thread.start()
        try:
            result = load(
                plan,
                About("auth socket", f"a lab with Dovecot {lab.version}, {server.driver}", str(lab.version)),
                lambda: AuthPool(
                    lab.auth_socket, mix, Bounds(plan.in_flight, plan.timeout), plan.connections
                ),
                mix,
                Watcher(lab.master_pid, lab.folder / "log"),
                tally=witness,
            )
        finally:
            faults.stop.set()
            thread.join()
        until = time.monotonic() + _SETTLE_SECONDS
        while True:  # the log and the statistics come a little later than the answers
            counted = readers.settled() - before
            books = _compare(result, faults, readers, witness, counted, lab.log())
            heard = books.agree or ("auth" in kinds and result.counts.answered <= counted["requests"])
            if heard or time.monotonic() > until:
                break
        readers.close()
    return books


def _compare(
    result: LoadResult,
    faults: Faults,
    readers: StatsReaders,
    witness: Witness,
    counted: Counter[str],
    log: str,
) -> Books:
    exported = Counter(int(found, 16) for found in _SESSION.findall(log))
    silent = {number: one for number, one in witness.answers.items() if number not in exported}
    return Books(
        result,
        dict(faults.done),
        faults.problems,
        {name: counted[name] for name in METRICS},
        (len(witness.ends), sum(count > 1 for count in witness.ends.values())),
        (
            len(exported),
            sum(count > 1 for count in exported.values()),
            sum(number not in witness.ends for number in exported),
        ),
        dict(Counter(reason for _, _, reason in silent.values())),
        sum(
            any(due < gone < answered + _AROUND for _, gone in readers.gone)
            for due, answered, _ in silent.values()
        ),
        sum(
            any(asked - _AROUND < answered < gone + _AROUND for asked, gone in readers.gone)
            for _, answered, _ in witness.answers.values()
        ),
        len(readers.gone),
    )
