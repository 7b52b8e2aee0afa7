"""New hashes for many passwords: on all cores of this machine, or on those of a Dask cluster.

The same function does the work in both.  Nothing is written where it runs: it answers with the hashes,
so that a worker that is lost costs only its own task again.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, Self

from mailauth.errors import CannotObserve, MailauthError, UsageError
from mailauth.hashes import Password, batch
from mailauth.hashes.making import Order, make

_ATTEMPTS = 3
_A_TASK = 8  # passwords

Made = tuple[str, str]  # the hash, or why there is none; one of them is ""


class Hashers(Protocol):
    """Makes hashes."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def hashes(self, passwords: Sequence[tuple[str, Password]]) -> list[Made]:
        """For users and passwords, in their order."""


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


def _tasks(passwords: Sequence[tuple[str, Password]], size: int) -> list[list[tuple[str, Password]]]:
    return [list(passwords[at : at + size]) for at in range(0, len(passwords), size)]


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
        tasks = _tasks(passwords, _A_TASK)
        for _attempt in range(_ATTEMPTS):
            if self._pool is None:
                self._pool = batch.pool(self._jobs)
            try:
                futures = [self._pool.submit(hash_some, self._order, task) for task in tasks]
                return [made for future in futures for made in future.result()]
            except BrokenProcessPool:
                self._pool = None  # a worker was killed: nothing was written, so all is done again
        raise CannotObserve("the processes that make hashes were killed again and again; is memory short?")


class Dask:
    """Workers of a Dask cluster; each must have mailauth of this version.

    A task declares its memory as the resource "memory" (bytes), where the workers have declared theirs.
    Raises UsageError where none has declared enough: the scheduler would wait for ever.
    """

    def __init__(self, order: Order, address: str, memory: int) -> None:
        self._order, self._address, self._memory = order, address, memory
        self._client: Any = None  # distributed has no types

    def __enter__(self) -> Self:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra, and a second to load
        except ImportError:
            raise UsageError("--dask needs Dask: pip install 'mailauth[dask]'") from None
        try:
            self._client = Client(self._address, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as why:
            raise UsageError(f"--dask {self._address}: no scheduler answers ({why}).") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._client:
            self._client.close()

    def hashes(self, passwords: Sequence[tuple[str, Password]]) -> list[Made]:
        assert self._client
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise CannotObserve(f"{self._address}: the cluster has no workers.")
        rooms = [worker.get("resources", {}).get("memory") for worker in workers.values()]
        resources: dict[str, Any] = {}
        if None not in rooms:
            if max(rooms) < self._memory:
                raise UsageError(
                    f"{self._address}: a task takes {self._memory} bytes, and the most that a worker declares"
                    f' is {max(rooms):.0f}; start workers with --resources "memory={self._memory}" or more.'
                )
            resources = {"resources": {"memory": self._memory}}
        futures = [
            self._client.submit(hash_some, self._order, task, pure=False, retries=_ATTEMPTS, **resources)
            for task in _tasks(passwords, _A_TASK)
        ]
        return [made for answers in self._client.gather(futures) for made in answers]
