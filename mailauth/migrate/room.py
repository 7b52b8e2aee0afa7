"""How much memory the processes that verify have for a new hash."""

from collections.abc import Sequence

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.nobody import NOBODY
from mailauth.errors import CannotObserve
from mailauth.hashes.making import IDLE, LARGEST_IDLE
from mailauth.probes.process import observe_verifiers


def room_of(dovecot: Installation, config: AuthConfig, passdbs: Sequence[Passdb]) -> tuple[int | None, int]:
    """Limit and idle size, in bytes, of the process with the least room; no limit is None."""
    limit, idle, least = None, IDLE, float("inf")
    for passdb in passdbs:
        if not passdb.changeable:
            continue
        try:
            seen = observe_verifiers(dovecot, config, passdb, NOBODY).processes
            pairs = [(process.limit, process.size) for process in seen]
        except CannotObserve:
            names = {passdb.verified_by, passdb.hit_verified_by or passdb.verified_by}
            pairs = [(config.services[name].vsz_limit, LARGEST_IDLE) for name in names]
        for most, size in pairs:
            if most is not None and most - size < least:
                limit, idle, least = most, size, most - size
    return limit, idle
