"""Plaintexts made into hashes on a real Dask cluster of several processes, one of which is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from mailauth.errors import UsageError
from mailauth.hashes import Password, Verdict, verify
from mailauth.hashes.argon2 import footprint
from mailauth.lab import certificate
from mailauth.migrate.goal import Goal
from mailauth.migrate.hashing import Dask, Local
from tests.cli.running import ROOT, mailauth
from tests.migrate.conftest import secret

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")

GOAL = Goal("ARGON2ID", (("memory", 7168), ("time", 5)))
MEMORY = footprint(7168, 1).total


@contextmanager
def started(*words: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and what it says until it says ``until``."""
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stderr=log,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            end = time.monotonic() + 60
            while until not in (said := Path(log.name).read_text()):
                assert process.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.05)
            yield process, said
        finally:
            process.kill()
            process.wait()
        assert "canary-" not in Path(log.name).read_text(), "a password, in a log of the cluster"


@contextmanager
def certified() -> Iterator[None]:
    """Dask's settings, for us and for whom we start: each side's certificate, and who signed it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        authority, pair = certificate.issue(Path(folder), "cluster")
        tls: dict[str, object] = {"ca-file": str(authority)}
        for role in ("client", "scheduler", "worker"):
            tls[role] = {"cert": str(pair.cert), "key": str(pair.key)}
        settings = {"distributed": {"comm": {"tls": tls}}}
        (Path(folder) / "tls.yaml").write_text(json.dumps(settings))  # YAML has JSON in it
        patch.setenv("DASK_CONFIG", folder)
        with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in tls.items()}):
            yield


@contextmanager
def cluster(workers: int, memory: int = 2 * MEMORY) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler, and workers of a process each, that declare so much memory (bytes)."""
    with ExitStack() as stack:
        stack.enter_context(certified())
        quiet = ("--port", "0", "--no-dashboard", "--host", "127.0.0.1", "--protocol", "tls")
        _, line = stack.enter_context(
            started("distributed.cli.dask_scheduler", *quiet, until="Scheduler at:")
        )
        found = re.search(r"tls://[\d.:]+", line)
        assert found
        options = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--host", "127.0.0.1")
        each = [
            stack.enter_context(
                started(
                    *("distributed.cli.dask_worker", found[0], *options),
                    *("--resources", f"memory={memory}"),
                    until="Registered to",
                )
            )[0]
            for _ in range(workers)
        ]
        yield found[0], each


@contextmanager
def killed_at_work(hashers: Dask, worker: subprocess.Popen[str]) -> Iterator[None]:
    """It is stopped, so that it ends no task, and killed once the scheduler has given it some."""
    doors = psutil.Process(worker.pid).net_connections("tcp")
    here = [f"tls://{door.laddr[0]}:{door.laddr[1]}" for door in doors if door.status == "LISTEN"]
    worker.send_signal(signal.SIGSTOP)
    client = hashers._client
    given: list[str] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while not given and time.monotonic() < end:
            given.extend(name for name, tasks in client.processing().items() if tasks and name in here)
            time.sleep(0.02)
        worker.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert given, "it was killed at work"


def passwords(count: int) -> list[tuple[str, Password]]:
    return [(f"u{number}", Password(secret(number))) for number in range(count)]


def test_a_worker_that_is_killed_costs_its_own_tasks_only() -> None:
    with cluster(3) as (address, workers), Dask(GOAL.order((2, 4, 1), None, 0), address, MEMORY) as hashers:
        hashers.hashes(passwords(8))
        wanted = passwords(160)
        with killed_at_work(hashers, workers[0]):
            made = hashers.hashes(wanted)
    for (user, password), (new, why) in zip(wanted, made, strict=True):
        assert not why
        assert verify(new, password, user=user).verdict is Verdict.MATCH


def test_a_task_waits_for_the_memory_that_it_declares() -> None:
    """A worker that has less than one task takes is given none, so the other makes all."""
    with cluster(1) as (address, _):
        options = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--host", "127.0.0.1")
        small = started(
            *("distributed.cli.dask_worker", address, *options, "--resources", f"memory={MEMORY // 2}"),
            until="Registered to",
        )
        with small as (worker, _), Dask(GOAL.order((2, 4, 1), None, 0), address, MEMORY) as hashers:
            before = psutil.Process(worker.pid).memory_info().rss
            assert all(new for new, _ in hashers.hashes(passwords(40)))
            assert psutil.Process(worker.pid).memory_info().rss - before < MEMORY


def test_a_cluster_that_has_too_little_is_told_so() -> None:
    with (
        cluster(1, MEMORY // 2) as (address, _),
        Dask(GOAL.order((2, 4, 1), None, 0), address, MEMORY) as small,
        pytest.raises(UsageError, match=f"takes {MEMORY} bytes.* declares is {MEMORY // 2};"),
    ):
        small.hashes(passwords(1))


def test_the_workers_are_seen_whenever_one_looks() -> None:
    """Distributed's client forgets them for a moment every 2 seconds; here every millisecond."""
    with cluster(1) as (address, _), Dask(GOAL.order((2, 4, 1), None, 0), address, MEMORY) as hashers:
        client = hashers._client
        timer = client._periodic_callbacks["scheduler-info"]

        def faster() -> None:
            timer.stop()
            timer.callback_time = 1
            timer.start()

        client.loop.add_callback(faster)
        assert [hashers.room() for _ in range(1000)] == [2 * MEMORY] * 1000


def test_nothing_is_written_twice_with_a_worker_killed(tmp_path: Path) -> None:
    """The whole command: each line is changed once, and each hash matches."""
    file = tmp_path / "users"
    file.write_text("".join(f"u{n}:{{PLAIN}}{secret(n).decode()}\n" for n in range(120)))
    with cluster(2) as (address, workers):
        threading.Timer(2.5, workers[0].kill).start()
        done = mailauth(
            *("migrate", "apply", "--url", f"passwd-file:{file}", "--dask", address, "--apply"),
            *("--rehash", "ARGON2ID", "--profile", "owasp-7", "--batch", "40"),
            MAILAUTH_STATE=str(tmp_path / "state"),
            DASK_CONFIG=os.environ["DASK_CONFIG"],
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed 120" in done.stdout
    lines = [line.partition(":") for line in file.read_text().splitlines()]
    assert len(lines) == 120
    for number, (user, _, stored) in enumerate(lines):
        assert verify(stored, Password(secret(number)), user=user).verdict is Verdict.MATCH


@pytest.mark.parametrize(
    "code",
    [
        "with Local(GOAL.order((2, 4, 1), None, 0), 2) as one:\n    one.hashes(passwords(16))\n    ready()\n",
        "for _ in batch.in_order(str, range(1000), jobs=2, lost=str):\n    ready()\n",
    ],
    ids=["Local", "in_order"],
)
def test_processes_end_with_the_one_that_made_them(code: str) -> None:
    code = (
        "from mailauth.hashes import batch\n"
        "from mailauth.migrate.hashing import Local\n"
        "from tests.migrate.test_cluster import GOAL, passwords\n"
        "def ready():\n"
        "    print('made', flush=True)\n"
        "    input()\n"
    ) + code
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], text=True, cwd=ROOT, stdin=pipe, stdout=pipe) as one:
        assert one.stdout
        assert one.stdout.readline() == "made\n"
        family = psutil.Process(one.pid).children(recursive=True)
        assert len(family) >= 2
        one.kill()
    _, alive = psutil.wait_procs(family, timeout=60)
    for left in alive:
        left.kill()
    assert not alive


def test_a_process_that_is_killed_is_made_again() -> None:
    with Local(GOAL.order((2, 4, 1), None, 0), 2) as hashers:
        hashers.hashes(passwords(16))
        pool = hashers._pool
        assert pool
        first, *others = [psutil.Process(pid) for pid in pool._processes]
        for one in (first, *others):
            one.suspend()  # so that none ends a task before one is killed

        def kill() -> None:
            end = time.monotonic() + 60
            while not pool._pending_work_items and time.monotonic() < end:
                time.sleep(0.01)
            first.kill()
            for one in others:
                one.resume()

        thread = threading.Thread(target=kill)
        thread.start()
        made = hashers.hashes(passwords(80))
        thread.join()
        assert hashers._pool is not pool, "it was killed while they were made"
    assert [why for _, why in made if why] == []
