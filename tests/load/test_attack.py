"""``mailauth load --attack``: wrong passwords beside right logins, on real Dovecots."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mailauth.cli.load_run import addresses
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.load.attack import Attackers
from mailauth.load.authpool import AuthPool
from mailauth.load.plan import AttackPlan, LoadPlan, Span
from mailauth.load.pool import Bounds
from mailauth.load.result import Attack, AttackStep, Counts, Latency, LoadResult
from mailauth.load.run import About, load
from mailauth.load.seek import highest
from mailauth.load.users import Account, Mix
from mailauth.load.watch import Blind
from mailauth.render.load import load_text
from mailauth.render.load_attack import attack_lines
from mailauth.render.load_picture import picture
from tests.cli.running import ROOT, mailauth
from tests.load.test_load import CSV, PENALTIES, SCHEMA, USERS

ACCOUNTS = [Account(user, Password.of(stored[7:])) for user, stored in USERS.items()]


def attacked(
    lab: Lab, span: Span, limit: float, in_flight: int = 500, *, same: bool = False, timeout: float = 30.0
) -> LoadResult:
    """From one address, beside 20 right logins a second."""
    theirs = Bounds(in_flight, timeout, addresses(1), penalties=True, guessing=True)
    ours = Bounds(500, timeout, addresses(1) if same else addresses(3, 78), penalties=True)
    plan = LoadPlan(
        20.0, 20.0, 60.0, 0.0, 0.0, 2, 500, timeout, attack=AttackPlan(limit, in_flight, timeout, span)
    )
    right, wrong = Mix(ACCOUNTS, 0.0), Mix(ACCOUNTS, 1.0)
    attackers = Attackers(lambda: AuthPool(lab.auth_socket, wrong, theirs, 2), wrong, 1, same, ())
    pool = lambda: AuthPool(lab.auth_socket, right, ours, 2)  # noqa: E731 - made inside the event loop
    return load(plan, About("", ""), pool, right, Blind(), attackers=attackers)


def found(result: LoadResult) -> Attack:
    assert result.attack
    for step in result.attack.steps:
        for counts in (step.wrong, step.right):
            ended = counts.ok + counts.refused + sum(counts.failed.values()) + sum(counts.lost.values())
            assert counts.sent == ended, step
        assert (step.wrong.ok, step.right.refused) == (0, 0), step
    assert result.counts.sent == sum(step.right.sent for step in result.attack.steps)
    return result.attack


def test_what_a_server_stands_and_what_it_does_not(
    lab: Callable[..., Lab], dovecot_version: str, tmp_path: Path
) -> None:
    """All rates; none, where not even a login without an attack is in time."""
    with lab(dovecot_version, "passwd-file", USERS) as one:
        seen = found(result := attacked(one, Span(0.3, first=40.0, most=80.0, sure=1.0), limit=20.0))
        assert (seen.rate, seen.above, seen.found, seen.bound, seen.alone) == (80.0, None, True, "", True)
        assert [step.rate for step in seen.steps] == [0.0, 40.0, 80.0, 80.0]
        assert all(step.wrong.refused == step.wrong.sent > 0 for step in seen.steps[1:])
        assert "up to 80/s of wrong passwords every right login was answered within 20 s;" in load_text(
            result
        )
        picture(result, tmp_path / "attack.svg")
        assert "wrong passwords/s" in (tmp_path / "attack.svg").read_text()

        never = found(result := attacked(one, Span(0.1, tries=1), limit=1e-6))
        assert (never.rate, never.above, never.found, never.alone) == (0.0, None, False, False)
        assert [step.rate for step in never.steps] == [0.0]
        assert "not measured: without an attack, not every right login" in load_text(result)


def test_guesses_count_towards_the_penalty_of_their_address_alone(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    """And an attack with few connections cannot grow: each refusal is held back for a second."""
    with lab(dovecot_version, "passwd-file", USERS, PENALTIES) as one:
        seen = found(result := attacked(one, Span(1.0, first=50.0, most=50.0, sure=1.0), 20.0, in_flight=2))
        assert seen.found
        assert 0 < seen.rate < 20.0
        assert seen.bound.startswith("50/s were wanted and ")
        assert "as 2 waited for their answer (--in-flight)" in load_text(result)
        until = time.monotonic() + 60
        while "127.77.0.1" not in (held_back := one.run("doveadm", "penalty").stdout):
            assert time.monotonic() < until
        assert "127.78" not in held_back


def test_users_behind_the_address_of_an_attack_wait_with_it(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    """The penalty holds them back: no rate is stood, though nothing is overloaded."""
    with lab(dovecot_version, "passwd-file", USERS, PENALTIES) as one:
        span = Span(1.0, first=8.0, most=8.0, tries=1)
        seen = found(result := attacked(one, span, 1.5, same=True, timeout=1.6))
        assert (seen.alone, seen.rate, seen.above, seen.found) == (True, 0.0, seen.steps[-1].rate, True)
        assert not any(step.held for step in seen.steps[1:])
        text = load_text(result)
        assert "and right logins with them" in text
        assert "no lower rate that was tried held" in text


def test_an_interrupted_attack_by_imap_tells_what_it_saw(dovecot_version: str) -> None:
    lab = ("--lab", "--lab-users", "3", "--scheme", "PLAIN", "--by", "imap", "--dovecot", dovecot_version)
    words = ("load", *lab, "--attack", "--wait", "30000", "--step", "0.5", "--warm-up", "0", "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "mailauth", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as running:
        assert running.stdout
        assert running.stderr
        while "wrong/s:" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        told = running.stdout.read()
        assert running.wait(60) == 130
    jsonschema.validate(json.loads(told), json.loads(SCHEMA.read_text()))
    result = msgspec.json.decode(told, type=LoadResult)
    seen = found(result)
    assert (result.mode, result.ended, seen.found) == ("attack", "interrupted", False)
    assert seen.steps[0].held
    assert seen.addresses == 100
    settings = {one.setting: one.value for one in seen.defences}
    assert (settings["penalty"], settings["verified by"]) == ("on", "auth")
    assert settings["auth_failure_delay"].startswith("2")


def test_the_guards_are_those_of_a_load() -> None:
    """Another machine wants its owner's word, TLS, and to be told of penalties."""
    there = ("--by", "imap", "--host", "192.0.2.1", "--users", "-", "--attack")
    for more, status, said in (
        (("--tls",), 2, "say --penalties"),
        (("--tls", "--penalties"), 1, "say --i-own-this-server if you may"),
        (("--penalties", "--i-own-this-server"), 2, "add --tls"),
    ):
        done = mailauth("load", *there, *more, feed=CSV)
        assert (done.returncode, done.stdout) == (status, ""), done
        assert said in done.stderr


@given(st.floats(0.5, 50_000), st.floats(0.5, 8))
def test_the_search_ends_near_the_limit(limit: float, first: float) -> None:
    span = Span(0.0, first=first, most=20_000.0, near=1.15, tries=1)

    async def holds(rate: float, _seconds: float) -> bool:
        return rate <= limit

    low, above, sure = asyncio.run(highest(holds, span, lambda: False))
    assert sure
    assert low <= limit
    assert above is None or above > limit
    if limit >= first:
        assert low >= min(limit, 20_000.0) / 1.16
    if not low:
        assert above is not None


def test_what_is_said_of_an_attack() -> None:
    none = Latency(0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def step(rate: float, why: str) -> AttackStep:
        one = Counts(5, 5, 0, {}, {}, 0)
        return AttackStep(
            rate,
            rate,
            1.0,
            not why,
            why,
            Counts(0, 0, 0, {"a wrong password was let in": 1}, {}, 0),
            one,
            none,
            none,
        )

    steps = [step(0.0, ""), step(4.0, ""), step(8.0, "2 temp_fail")]
    cut = Attack(4.0, 8.0, 1.0, False, "", 0.9, 1, False, [], steps)
    text = "\n".join(attack_lines(cut))
    assert (
        "up to 4/s of wrong passwords every right login was answered within 1 s; at 8/s 2 temp_fail." in text
    )
    assert "The search was not finished" in text
    assert "The generator took 90% of a core" in text
    assert "3 WRONG PASSWORDS WERE LET IN" in text
    assert "1 address, right logins from others" in text
    nothing = Attack(0.0, None, 1.0, False, "", 0.0, 0, True, [], steps[:1])
    text = "\n".join(attack_lines(nothing))
    assert "no rate of wrong passwords was tried to the end" in text
    assert "this machine's address, and right logins with them" in text
