"""A server that has something of everything, with users who are up to no good."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mailauth.hashes import Password, generate
from mailauth.load.result import Counts, Knee, Latency, LoadResult, LoadStep, Sample
from tests.proofs.story import MiB, argon2id

GOOD = generate("ARGON2ID", Password.of("correct horse"), user="")
HOSTILE = "<script>document.title='owned'</script>"
QUOTED = "x\" onload='a' style=\"color:red"
USERS = {
    "alice@example.org": argon2id(memory=256 * MiB),
    "bob": GOOD.replace("ARGON2ID}", "BCRYPT}"),
    HOSTILE: GOOD[:50],
    QUOTED: GOOD[:60],
    "\u202egpj.exe": "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
    "eve": None,
}


def load_result(note: str = "") -> LoadResult:
    """Plain data, as ``mailauth load --json`` writes it."""

    def latency(count: int, seconds: float) -> Latency:
        return Latency(count, seconds, seconds, seconds * 3, seconds * 5, seconds * 9)

    counts = Counts(12_000, 10_945, 1_000, {"temporary failure": 25}, {"connection closed": 30}, 5)
    rates = (100.0, 200.0, 400.0, 800.0, 512.0, 480.0)
    steps = [
        LoadStep(rate, 3, rate <= 480, "" if rate <= 480 else "p95", rate, counts, latency(100, rate / 8000))
        for rate in rates
    ]
    return LoadResult(
        way="auth socket",
        target="mail.example.org:143",
        dovecot="2.3.19.1",
        lab="",
        mode="knee",
        began="2026-11-23T18:00:00Z",
        rate=None,
        rate_to=None,
        seconds=60,
        warm_up=5,
        connections=8,
        in_flight=100,
        users=200,
        wrong=0.1,
        ended="the knee was found",
        counts=counts,
        warm_up_counts=counts,
        answered=410.5,
        latency=latency(10_945, 0.02),
        latency_wrong=latency(1_000, 0.5),
        lag=latency(12_000, 0.0001),
        generator=0.25,
        cores=2,
        workers_most=30,
        rss_most=900 * MiB,
        queued=2,
        samples=[Sample(n, 10 * n, 9 * n, 0.01, 0.03, 0.05 * n, 0, 5, 3, 80 * MiB, 0) for n in range(1, 400)],
        knee=Knee(480, 512, 0.25, 0.3, steps),
        notes=[note] if note else [],
    )


@pytest.fixture
def load_file(tmp_path: Path) -> Callable[[str], Path]:
    """A load's result in a file."""

    def write(note: str = "") -> Path:
        file = tmp_path / "load.json"
        file.write_bytes(msgspec.json.encode(load_result(note)))
        return file

    return write
