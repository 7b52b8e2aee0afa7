"""Long work in C, so that Ctrl-C ends the program at once and not when the work is done.

Python hears of a signal between two of its own instructions; libsodium and libcrypt can take minutes
over one hash.  So they work in a thread, without Python's lock, and the main thread waits: that it can be
kept from.  When the program ends the thread ends with it.
"""

from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NoReturn, TypeVar

from mailauth.hashes import judge
from mailauth.hashes.allowance import here
from mailauth.hashes.hash import Hash, Judgement, Password, Verdict

_T = TypeVar("_T")
_LONGER = 4  # times what a verification may take by our reckoning: this machine may be busy


def interruptible(work: Callable[[], _T], most: float | None = None) -> _T:
    """What ``work`` returns or raises.  Raises Empty where it takes longer than ``most`` seconds."""
    done: SimpleQueue[Callable[[], _T]] = SimpleQueue()

    def run() -> None:
        try:
            found = work()
        except BaseException as why:  # noqa: BLE001 - it is raised where it is waited for
            done.put(partial(_raise, why))
        else:
            done.put(lambda: found)

    Thread(target=run, daemon=True).start()
    return done.get(timeout=most)()


def verify_hash(parsed: Hash, password: Password, *, user: str = "") -> Judgement:
    """As ``hashes.verify_hash``, for where somebody waits; longer than was foreseen, and it is given up."""
    most = _LONGER * max(1.0, here().left)
    try:
        return interruptible(lambda: judge.verify_hash(parsed, password, user=user), most)
    except Empty:
        here().spent += most
        return Judgement(
            Verdict.UNSUPPORTED, f"not computed: it was given up after {most:.0f} s{here().more}"
        )


def _raise(why: BaseException) -> NoReturn:
    raise why
