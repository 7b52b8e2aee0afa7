"""Disturbed at any moment, nothing is lost: sixteen of the moments of bench/migrate_kills.py, only faster."""

from dataclasses import replace

import pytest

from tests.migrate.disturbed import Event
from tests.migrate.kills import USERS, benches
from tests.migrate.moments import carried_out

SEEDS = {
    # resume killed, apply on a full disk, import beside another writer, move killed
    "passwd-file": (2, 5, 23, 1000),
    # undo killed, resume on a full disk, apply beside another writer, a move's undo killed
    "sqlite": (26, 32, 45, 1009),
    # apply cut off, import while it restarts, logins beside another writer, default-scheme killed
    "mysql": (60, 68, 74, 1018),
    # import killed, logins on a full disk, undo cut off, default-scheme's undo killed
    "pgsql": (78, 84, 86, 1027),
}


@pytest.mark.parametrize("driver", list(SEEDS))
def test_after_a_disturbance_nothing_is_lost_and_undo_is_exact(driver: str) -> None:
    events = [replace(Event.of(seed), version="2.3.19.1", rate=40) for seed in SEEDS[driver]]
    with benches() as bench:
        for event in events:
            assert event.driver == driver
            done = carried_out(bench(event.version, driver), event)
            assert not done.problems, event
            assert "move" in event.verb or done.old + done.new <= USERS
