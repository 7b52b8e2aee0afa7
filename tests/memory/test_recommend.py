"""``memory recommend``: what it proposes works, under as many logins at once as it allows."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest

from mailauth.lab import Lab
from mailauth.lab.prove_memory import lab_for, load
from mailauth.memory import fit
from mailauth.memory.measure import spread
from mailauth.memory.recommend import ROWS, Advice, Wish, advise, fitting
from mailauth.memory.speed import Speed
from mailauth.probes.ceilings import observe_ceilings
from tests.memory.conftest import Mailauth, schema_file

MiB = 1024 * 1024
GiB = 1024 * MiB


def wish(driver: str = "pgsql", limit: int | None = None, **more: object) -> Wish:
    """Much of everything; ``limit`` 0: it may be chosen."""
    known: dict[str, object] = {
        "memory": 2 * GiB,
        "cores": 2,
        "peak": 1.0,
        "latency": 0.25,
        "idle": 26 * MiB,
        "most_workers": 8,
    }
    return Wish(driver=driver, vsz_limit=limit or None, may_raise=limit == 0, **(known | more))  # type: ignore[arg-type]


def as_fast(pace: float = 0.5e-6, parallel: int = 1) -> dict[tuple[int, int], Speed]:
    """A machine that takes ``pace`` seconds for a KiB and pass."""
    times = {(m, t): m * t * pace for m, t, _ in ROWS}
    return {key: Speed(parallel, spread([time]), parallel / time) for key, time in times.items()}


def chosen(asked: Wish, pace: float = 0.5e-6) -> Advice:
    advice = advise(asked, as_fast(pace, asked.parallel))
    assert advice.chosen is not None
    return advice


LIMITS = (64 * MiB, 100 * MiB, 128 * MiB, 256 * MiB, 512 * MiB, None, 0)


@pytest.mark.parametrize("number", range(2 * len(LIMITS)))
def test_what_is_proposed_works_under_as_many_logins_at_once(
    number: int, request: pytest.FixtureRequest
) -> None:
    """From 64 MiB to unlimited, and where the limit may be chosen; both Dovecots, all drivers."""
    limit = LIMITS[number % len(LIMITS)]
    driver = ("passwd-file", "mysql", "pgsql", "sqlite")[number % 4]
    version = ("2.3.19.1", "2.4.1")[number // len(LIMITS)]
    advice = chosen(wish(driver, limit))
    assert advice.chosen
    shared = {"mysql": "mariadb", "pgsql": "postgres"}.get(driver)
    database = request.getfixturevalue(shared) if shared else None
    with lab_for(advice.wish, advice.chosen, advice.config, version, database) as lab:
        done = load(lab, max(advice.chosen.workers, 4), 0.5)
    assert done.worked == done.asked >= 4


@pytest.fixture
def control_group() -> Iterator[Callable[[int], Path]]:
    """``control_group(bytes)``: a memory control group, where one can be made."""
    made: list[Path] = []

    def make(limit: int) -> Path:
        one = Path(f"/sys/fs/cgroup/memory/mailauth-test-{os.getpid()}")
        try:
            one.mkdir()
            made.append(one)
            (one / "memory.limit_in_bytes").write_text(str(limit))
        except OSError as why:
            pytest.skip(f"no control group can be made here: {why.strerror}")
        return one

    yield make
    for one in made:
        with suppress(OSError):
            one.rmdir()


def test_what_is_proposed_works_in_a_control_group(
    control_group: Callable[[int], Path], lab: Callable[..., Lab]
) -> None:
    """As many workers at once as fit into the group: none is killed, and none fails."""
    group = control_group(300 * MiB)
    with lab(None, "sqlite", {"alice": None}) as one:
        (group / "cgroup.procs").write_text(str(one.master_pid))
        told = [c for c in observe_ceilings(one.master_pid, one.master_pid) if c.what == "the control group"]
        (Path("/sys/fs/cgroup/memory") / "cgroup.procs").write_text(str(one.master_pid))
    free = told[0].free if told else 290 * MiB  # inside a container the path may be another
    advice = chosen(wish("sqlite", 0, memory=free))
    assert advice.chosen
    assert advice.chosen.peak_memory <= free
    with lab_for(advice.wish, advice.chosen, advice.config) as one:
        for process in one.processes():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                (group / "cgroup.procs").write_text(str(process.pid))
        done = load(one, advice.chosen.workers, 1.0)
        failures = int((group / "memory.oom_control").read_text().rpartition("oom_kill ")[2] or 0)
    assert (done.worked, failures) == (done.asked, 0)


def test_a_row_that_is_proposed_fits_by_the_rules_of_fit() -> None:
    for limit in range(40 * MiB, 1200 * MiB, 7 * MiB):
        advice = advise(wish(limit=limit), as_fast(1e-9))
        if advice.chosen:
            assert advice.chosen.need + advice.wish.idle + fit.THIN <= limit


def test_no_row_fits_where_nothing_can() -> None:
    assert advise(wish(limit=30 * MiB), as_fast()).chosen is None
    assert advise(wish(limit=0, memory=MiB), as_fast()).chosen is None
    assert advise(wish(limit=0, peak=1e6), as_fast()).chosen is None
    assert advise(wish(limit=0, latency=1e-6), as_fast()).chosen is None
    assert advise(wish(limit=0), {}).chosen is None


def test_the_strongest_wins_and_of_equals_the_largest() -> None:
    assert chosen(wish(limit=0), pace=0.5e-6).chosen == max(
        (row for row in chosen(wish(limit=0)).rows if not row.refused), key=lambda row: row.strength
    )
    only_owasp = {key: one for key, one in as_fast().items() if (*key, "OWASP") in ROWS}
    advice = advise(wish(limit=0), only_owasp)
    assert advice.chosen
    assert advice.chosen.m == 47104


def test_owasps_rows_are_of_equal_strength() -> None:
    strengths = [row.strength for row in fitting(wish(limit=0)) if row.whose == "OWASP"]
    assert max(strengths) / min(strengths) < 1.1
    assert min(strengths) > 1.0


def test_workers_count_against_the_machine_and_auth_is_one() -> None:
    assert chosen(wish("mysql", 0)).wish.parallel == 2
    assert chosen(wish("pgsql", 0)).wish.parallel == 1
    assert chosen(wish("pgsql", 0, use_worker=True)).service == "auth-worker"
    few = chosen(wish("mysql", 0, memory=200 * MiB))
    assert few.chosen
    assert few.chosen.peak_memory <= 200 * MiB


def test_the_settings_are_of_each_dialect() -> None:
    config = chosen(wish("mysql", 0)).config
    assert config["2.3"].startswith("auth_worker_max_count = 4\nservice auth-worker {\n  vsz_limit = ")
    assert "  process_limit = 4\n}\n" in config["2.4"]
    assert chosen(wish("pgsql", 256 * MiB)).config == {"2.3": "", "2.4": ""}


def test_on_the_command_line(memory: Mailauth) -> None:
    words = ("recommend", "--vsz-limit", "64M", "--peak", "0.1", "--seconds", "0.1", "--latency", "60000")
    ran = memory(*words, "--json")
    assert ran.status == 0, ran.err
    jsonschema.validate(ran.json, schema_file("memory-recommend"))
    assert (ran.json["advice"]["chosen"]["m"], ran.json["advice"]["chosen"]["t"]) == (32768, 3)
    text = memory("recommend", "--vsz-limit", "20M", "--seconds", "0.1")
    assert text.status == 1
    assert "NO ROW FITS." in text.out


def test_a_running_dovecot_says_what_it_has(
    lab: Callable[..., Lab], memory: Mailauth, dovecot_version: str
) -> None:
    """Who verifies, the idle size, the limit, the users; an option takes the place of what is read."""
    quick = ("--seconds", "0.1", "--latency", "60000", "--vsz-limit", "36M")
    settings = "service auth-worker {\n  vsz_limit = 300M\n}\n"
    with lab(dovecot_version, "sqlite", {"alice": None, "bob": None}, settings=settings) as one:
        pid = str(one.master_pid)
        ran = memory("recommend", "--pid", pid, *quick, "--json")
        assert ran.status == 0, ran.err
        jsonschema.validate(ran.json, schema_file("memory-recommend"))
        server, wish = ran.json["server"], ran.json["advice"]["wish"]
        worker = next(each for each in one.processes() if each.pid == server["pid"])
        assert (server["dovecot"], server["driver"], server["service"]) == (
            dovecot_version,
            "sqlite",
            "auth-worker",
        )
        assert (server["limit"], server["users"], server["pid"]) == (300 * MiB, 2, worker.pid)
        assert server["idle"] == wish["idle"] == worker.memory_info().vms
        assert (wish["users"], wish["most_workers"]) == (2, server["workers"])
        told = memory("recommend", "--pid", pid, *quick, "--users", "7", "--workers", "1", "--idle", "25M")
        assert "2 users" in told.out
        assert "all 7 users have logged in" in told.out
        assert f"Dovecot {dovecot_version[:3]}\n" in told.out
        assert told.out.count("  Dovecot 2.") == 1, "the settings of the other dialect are of no use here"
        refused = memory("recommend", "--pid", pid, "--use-worker")
        assert (refused.status, "makes no use of --use-worker" in refused.err) == (2, True)


def test_of_an_ordinary_user_it_says_what_was_assumed(memory: Mailauth) -> None:
    told = memory("recommend", "--vsz-limit", "20M", "--seconds", "0.1")
    assert told.out.startswith("No Dovecot was looked at: ")
    assert "driver passwd-file" in told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--driver", "mysql", "--pid", "1"), "--driver, which is for no Dovecot, makes no use of --pid"),
        (("-c", "/nonexistent"), "/nonexistent"),
        (("--vsz-limit", "much"), "'much' is not a size"),
        (("--ram", "x"), "'x' is not a size"),
        (("--dovecot", "2.4.1"), "add --apply-to lab"),
    ],
)
def test_bad_input_is_one_sentence(memory: Mailauth, words: tuple[str, ...], said: str) -> None:
    ran = memory("recommend", *words)
    assert ran.status == 2
    assert said in ran.err
