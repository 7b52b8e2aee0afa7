"""Prove a recommendation: a lab with its parameters and limits, under as many logins at once as it allows."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from mailauth import hashes
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.version import Version
from mailauth.hashes import Password
from mailauth.lab.builds import installed
from mailauth.lab.databases import Server
from mailauth.lab.dovecot import Lab
from mailauth.memory.measure import spread
from mailauth.memory.recommend import AdviceRow, Wish
from mailauth.memory.records import Load

_PASSWORD = Password.of("a stand-in, and nobody's password")
_NO_LIMIT = {"2.3": "0", "2.4": "unlimited"}


@contextmanager
def lab_for(
    wish: Wish,
    row: AdviceRow,
    config: dict[str, str],
    dovecot: str | None = None,
    database: Server | None = None,
) -> Iterator[Lab]:
    """A lab with a user of that row, and the settings recommended; a fixed limit is set as it is."""
    stored = hashes.generate("ARGON2ID", _PASSWORD, memory=row.m, time=row.t, lanes=1)
    here = installed()
    dialect = (Version.parse(dovecot) if dovecot else here.version if here else Version(2, 3)).dialect
    settings = config[dialect]
    if not wish.may_raise:
        limit = _NO_LIMIT[dialect] if wish.vsz_limit is None else f"{wish.vsz_limit} B"
        settings += f"service {wish.service} {{\n  vsz_limit = {limit}\n}}\n"
    extra = "use_worker = yes" if wish.use_worker and dialect == "2.4" else ""
    users = {"alice": stored}
    with Lab(dovecot, wish.driver, users, settings, database=database, passdb_extra=extra) as lab:
        yield lab


def load(lab: Lab, clients: int, seconds: float) -> Load:
    """``clients`` log in at the same time, again and again for ``seconds``; each at least once."""
    until = time.monotonic() + seconds

    def client(_number: int) -> list[tuple[bool, float]]:
        seen: list[tuple[bool, float]] = []
        with AuthSocket(lab.auth_socket) as auth:
            while not seen or time.monotonic() < until:
                reply = auth.plain("alice", _PASSWORD.raw)
                seen.append((reply.ok, reply.seconds))
        return seen

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        replies = [reply for each in pool.map(client, range(clients)) for reply in each]
    took = time.monotonic() - began
    return Load(
        str(lab.version),
        clients,
        len(replies),
        sum(ok for ok, _ in replies),
        len(replies) / took,
        spread([seconds for _, seconds in replies]),
    )


def prove(
    wish: Wish,
    row: AdviceRow,
    config: dict[str, str],
    *,
    dovecot: str | None = None,
    database: Server | None = None,
    clients: int | None = None,
    seconds: float = 3.0,
) -> Load:
    """All at once: as many clients as there are workers, and no fewer than four."""
    with lab_for(wish, row, config, dovecot, database) as lab:
        return load(lab, clients or max(row.workers, 4), seconds)
