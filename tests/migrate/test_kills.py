"""Killed at any moment, nothing is lost: a few of the hundred moments of bench/migrate_kills.py."""

import pytest

from tests.migrate.kills import Moment, benches, carried_out

SEEDS = (3, 6, 9)  # bench/migrate_kills.py has a hundred


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_kill_each_row_is_old_or_new_and_everyone_can_log_in(seed: int) -> None:
    moment = Moment.of(seed)
    with benches() as bench:
        killed = carried_out(bench(moment.version, moment.driver), moment)
    assert not killed.problems
    assert killed.old + killed.new == 24
