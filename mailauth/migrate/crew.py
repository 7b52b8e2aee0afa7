"""How many hashes the on-login service makes at once: as many as there are cores, and memory for."""

import os

from mailauth.hashes import batch
from mailauth.migrate.goal import Goal
from mailauth.probes.ceilings import observe_ceilings

_MIB = 1024 * 1024
_OWN = 256 * _MIB  # left for the databases' clients, doveconf and doveadm


def memory_of_one(goal: Goal) -> int:
    """Bytes that one worker takes: Argon2's memory is in KiB, and it is there twice, made and verified."""
    memory = dict(goal.options).get("memory", 0)
    return 2 * int(memory) * 1024


def workers(goal: Goal, wanted: int | None) -> int:
    """At least one.  ``wanted``: how many somebody asks for; None: one for each core.

    The room is the least that the control group, the limits of this process and the machine leave free.
    """
    most, need = wanted or batch.cores(), memory_of_one(goal)
    if need:
        free = min(
            (one.free for one in observe_ceilings(os.getpid(), os.getpid())), default=most * need + _OWN
        )
        most = min(most, (free - _OWN) // need)
    return max(1, most)
