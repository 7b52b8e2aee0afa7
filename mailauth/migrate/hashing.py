"""Work for many passwords: on all cores of this machine, or on those of a Dask cluster.

The same function does the work in both.  Nothing is written where it runs: it answers with the hashes,
so that a worker that is lost costs only its own task again.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from mailauth.errors import CannotObserve, MailauthError, UsageError
from mailauth.hashes import Password, batch
from mailauth.hashes.making import Order, make
from mailauth.later import later

if TYPE_CHECKING:
    import distributed
else:
    distributed = later("distributed")  # an extra, and a second to import

_ATTEMPTS = 3
_A_TASK = 8  # passwords
_LOOK = 5  # seconds between two looks at a cluster that is waited for
_EMPTY = 60  # seconds that a cluster may be without workers

Made = tuple[str, str]  # the hash, or why there is none; one of them is ""
_Common = TypeVar("_Common")
_In = TypeVar("_In")
_Out = TypeVar("_Out")
Work = Callable[[_Common, list[_In]], list[_Out]]
"""One task: what all have in common, and some items; it must not raise."""


class Hashers(Protocol):
    """Works on many passwords."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def hashes(self, passwords: Sequence[tuple[str, Password]]) -> list[Made]:
        """New ones for users and passwords, in their order."""

    def each(
        self,
        work: Work[_Common, _In, _Out],
        common: _Common,
        items: Sequence[_In],
        need: Callable[[_In], int],
    ) -> list[_Out]:
        """The answers in the items' order; ``need`` is the memory for one, in bytes."""

    def room(self) -> int | None:
        """The most that may be needed, in bytes; None: nobody has said."""


def hash_some(order: Order, some: list[tuple[str, Password]]) -> list[Made]:
    """One task: to be run anywhere.  It never raises: Dask would log what it was called with."""
    found: list[Made] = []
    for user, password in some:
        try:
            made = make(order, password, user)
        except MailauthError as why:
            found.append(("", str(why)))
        except MemoryError:
            found.append(("", "out of memory"))
        except Exception as bug:  # noqa: BLE001 - see above
            found.append(("", f"a bug in mailauth: {type(bug).__name__}"))
        else:
            found.append((made, "") if isinstance(made, str) else ("", made.reason))
    return found


def _tasks(items: Sequence[_In]) -> list[list[_In]]:
    return [list(items[at : at + _A_TASK]) for at in range(0, len(items), _A_TASK)]


class Local:
    """Processes of this machine."""

    def __init__(self, order: Order, jobs: int | None = None) -> None:
        self._order, self._jobs = order, jobs or batch.cores()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def hashes(self, passwords: Sequence[tuple[str, Password]]) -> list[Made]:
        return self.each(hash_some, self._order, passwords, lambda _: 0)

    def each(
        self,
        work: Work[_Common, _In, _Out],
        common: _Common,
        items: Sequence[_In],
        need: Callable[[_In], int],  # noqa: ARG002 - nobody shares this machine out
    ) -> list[_Out]:
        for _attempt in range(_ATTEMPTS):
            if self._pool is None:
                self._pool = batch.pool(self._jobs)
            try:
                futures = [self._pool.submit(work, common, task) for task in _tasks(items)]
                return [made for future in futures for made in future.result()]
            except BrokenProcessPool:
                self._pool = None  # a worker was killed: nothing was written, so all is done again
        raise CannotObserve("the processes that make hashes were killed again and again; is memory short?")

    def room(self) -> int | None:
        return None


def must_be_private(address: str) -> None:
    """Passwords and hashes go to the cluster, and what it answers is unpickled here.

    Without TLS a scheduler takes work, which is code, from whoever can connect: on a loopback address too,
    where that is each user of the machine.  Dask's TLS wants a certificate of both sides.

    Raises UsageError.
    """
    if not address.startswith("tls://"):
        raise UsageError(
            f"--dask {address}: passwords would go there in the clear, and a scheduler without TLS does what"
            " any user of its machine says; use tls://HOST:PORT."
        )


class Dask:
    """Workers of a Dask cluster; each must have mailauth of this version.

    A task declares its memory as the resource "memory" (bytes), where the workers have declared theirs.
    Raises UsageError where none has declared enough: the scheduler would wait for ever.
    """

    def __init__(self, order: Order, address: str, memory: int) -> None:
        self._order, self._address, self._memory = order, address, memory
        self._client: Any = None  # distributed has no types

    def __enter__(self) -> Self:
        must_be_private(self._address)
        try:
            client = distributed.Client
        except ImportError:
            raise UsageError("--dask needs Dask: pip install 'mailauth[dask]'") from None
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what is lost is said here, in one sentence
        try:
            self._client = client(self._address, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as why:
            raise UsageError(f"--dask {self._address}: no scheduler answers ({why}).") from None
        except TypeError:  # Dask's own word for a client without a certificate
            raise UsageError(
                f"--dask {self._address}: Dask's settings (distributed.comm.tls) name no certificates for"
                " this client."
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._client:
            self._client.close()

    def hashes(self, passwords: Sequence[tuple[str, Password]]) -> list[Made]:
        return self.each(hash_some, self._order, passwords, lambda _: 0)

    def each(
        self,
        work: Work[_Common, _In, _Out],
        common: _Common,
        items: Sequence[_In],
        need: Callable[[_In], int],
    ) -> list[_Out]:
        room = self.room()
        if room is not None and room < self._memory:
            raise UsageError(
                f"{self._address}: a task takes {self._memory} bytes, and the most that a worker declares"
                f' is {room}; start workers with --resources "memory={self._memory}" or more.'
            )

        def submitted(task: list[_In]) -> Any:
            memory = max(self._memory, *map(need, task))
            resources = {} if room is None else {"resources": {"memory": memory}}
            # pure=False: a key would be made of the arguments
            return self._client.submit(work, common, task, pure=False, retries=_ATTEMPTS, **resources)

        with self._lost():
            futures = [submitted(task) for task in _tasks(items)]
            self._wait(futures)
            return [made for answers in self._client.gather(futures) for made in answers]

    def room(self) -> int | None:
        workers = self._workers()
        if not workers:
            raise CannotObserve(f"{self._address}: the cluster has no workers.")
        rooms = [worker.get("resources", {}).get("memory") for worker in workers.values()]
        return None if None in rooms else int(max(rooms))

    def _workers(self) -> dict[str, Any]:
        """Asked of the scheduler itself: what the client keeps of it is overwritten, without its workers,
        by a timer of its own (distributed 2026.8, client.py).
        """
        assert self._client
        with self._lost():
            found: dict[str, Any] = self._client.sync(self._client.scheduler.identity)["workers"]
            return found

    def _wait(self, futures: list[Any]) -> None:
        """Until all are done; not for ever where the last worker is lost, too."""
        alive = time.monotonic()
        while time.monotonic() - alive < _EMPTY:
            try:
                with self._client.as_current():
                    distributed.wait(futures, timeout=_LOOK)  # type: ignore[no-untyped-call]
            except TimeoutError:
                alive = time.monotonic() if self._workers() else alive
            else:
                return
        self._client.cancel(futures, force=True)
        raise CannotObserve(f"{self._address}: the cluster has had no workers for {_EMPTY} seconds.")

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except distributed.KilledWorker:
            raise CannotObserve(
                f"{self._address}: each worker that took one of the tasks was lost; is memory short there?"
            ) from None
        except (CancelledError, OSError):
            raise CannotObserve(f"{self._address}: the scheduler was lost.") from None
