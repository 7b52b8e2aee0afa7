"""Whatever goes wrong with the on-login service, every login goes on, and no slower than it may."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from mailauth.migrate.rehash import Rehashed
from tests.conftest import missing
from tests.migrate.conftest import OnLoginLab, old_users, secret

USERS = 8
# Seconds: auth_policy_server_timeout_msecs, which a login that waited for the service would take at least.
WAIT = 2.0

Make = Callable[..., OnLoginLab]


def all_log_in(found: OnLoginLab) -> None:
    replies = [found.lab.login(f"u{n}", secret(n)) for n in range(USERS)]
    assert [n for n, reply in enumerate(replies) if not reply.ok] == []
    # Each would wait, and a machine may pause at some.
    assert sorted(reply.seconds for reply in replies)[USERS // 2] < WAIT


def test_a_service_that_is_down_or_stopped_keeps_nobody_out(on_login: Make, dovecot_version: str) -> None:
    """Who logged in meanwhile is migrated at the next login."""
    found = on_login(dovecot_version, "sqlite", old_users(USERS))
    found.enable()
    all_log_in(found)
    found.start()
    assert found.service
    found.service.send_signal(signal.SIGSTOP)
    all_log_in(found)
    all_log_in(found)
    found.service.send_signal(signal.SIGCONT)
    end = time.monotonic() + 120
    while (
        found.totals()[Rehashed.MIGRATED] < USERS
    ):  # Dovecot leaves a service that was down alone for a while
        assert time.monotonic() < end, found.totals()
        all_log_in(found)
        time.sleep(0.5)
    all_log_in(found)


def test_a_row_that_is_locked_is_left_for_the_next_login(on_login: Make, dovecot_version: str) -> None:
    found = on_login(dovecot_version, "pgsql", {"u0": old_users(1)["u0"]})
    found.enable()
    found.start()
    place = found.lab.store.place
    address = {"host": place.host, "port": place.port, "user": place.user, "password": place.password}
    with closing(psycopg.connect(**address, dbname=place.database)) as other:  # type: ignore[arg-type]
        other.execute("SELECT * FROM users FOR UPDATE")
        assert found.lab.login("u0", secret(0)).ok
        found.wait(Rehashed.NOT_WRITTEN, 1)
        assert found.lab.login("u0", secret(0)).ok
    assert found.lab.login("u0", secret(0)).ok
    found.wait(Rehashed.MIGRATED, 1)
    assert found.lab.login("u0", secret(0)).ok


@pytest.fixture
def full() -> Iterator[Callable[[Path], None]]:
    """Put a small file system in place of a folder, and fill it."""
    mounted: list[Path] = []

    def fill(folder: Path) -> None:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(folder)],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            missing("no file system can be mounted here")
        mounted.append(folder)

    yield fill
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_a_full_disk_stops_the_counting_only(
    on_login: Make, full: Callable[[Path], None], dovecot_version: str
) -> None:
    found = on_login(dovecot_version, "sqlite", old_users(USERS))
    state = found.state / "on-login"
    state.mkdir(parents=True)
    full(state)
    found.enable()
    (state / "ballast").write_bytes(b"x" * (64 * 1024 - 3 * 4096))  # the settings are there; a page is left
    found.start()
    all_log_in(found)
    end = time.monotonic() + 60
    while any(not (one or "").startswith("{ARGON2ID}") for one in found.lab.store.users().values()):
        assert time.monotonic() < end
        time.sleep(0.1)
    all_log_in(found)
    assert found.service
    assert found.service.poll() is None
