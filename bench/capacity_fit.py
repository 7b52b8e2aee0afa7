"""Does ``memory fit`` agree with reality?  Random, seeded cases of (version, driver, limit, hash) in a lab.

"fits" must log in 20 times in a row; "does not fit" must fail, and after its own remedy log in; "tight" is
the band of some 256 KiB in which nothing is promised.

    python -m bench.capacity_fit              40 cases, written to bench/results/fit-cases.json
"""

import argparse
import json
import random
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.threshold import about
from mailauth import hashes
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password
from mailauth.lab import STORES, Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.memory.fitting import Fits, ServiceFit
from mailauth.memory.footprint import argon2
from mailauth.probes.fitting import FitQuestion, observe_fit

RESULTS = Path(__file__).parent / "results" / "fit-cases.json"
SEED = 20261123
VERSIONS = ("2.3.19.1", "2.4.1")
LOGINS = 20
_MIB = 1 << 20
_IDLE = 23 * _MIB  # about; a case near the threshold need not hit it
PASSWORD = Password.of("correct horse")
SMALL = "{PLAIN}correct horse"


@dataclass(frozen=True, slots=True)
class Case:
    """What is tried; ``limit`` in bytes, ``m`` in KiB."""

    number: int
    dovecot: str
    driver: str
    limit: int
    m: int
    p: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was said, and what came of it."""

    case: Case
    said: str
    spare: int
    logins: int  # that worked
    asked: int
    after_remedy: int | None  # logins of 5 that worked, where there was a remedy
    agrees: bool


def case(number: int, seed: int = SEED) -> Case:
    """The same for the same number and seed."""
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable, not secret
    p = dice.choice((1, 1, 2, 4))
    m = dice.choice((dice.randint(8192, 300_000), 65536, 262144, 19456))
    near = _IDLE + argon2(m, p).always + dice.randint(-2 * _MIB, 2 * _MIB)
    limit = dice.choice((256 * _MIB, dice.randint(40, 400) * _MIB, near, near)) // 4096 * 4096
    return Case(number, VERSIONS[number % 2], STORES[number // 2 % 4], limit, m, p)


def settings(service: str, limit: int) -> str:
    return f"service {service} {{\n  vsz_limit = {limit} B\n}}\n"


def run(one: Case, database: Server | None) -> Outcome:
    """Start that Dovecot, ask ``fit``, log in, and mend what does not fit."""
    service = "auth" if one.driver in ("passwd-file", "pgsql") else "auth-worker"
    users = {"alice": hashes.generate("ARGON2ID", PASSWORD, memory=one.m, time=1, lanes=one.p), "bob": SMALL}
    with Lab(one.dovecot, one.driver, users, settings(service, one.limit), database=database) as lab:
        said = asked(lab)
        count = LOGINS if said.fits is Fits.YES else 4
        worked = sum(lab.login("alice", PASSWORD.raw).ok for _ in range(count))
        after = None
        if said.fits is not Fits.YES:
            lab.configure(settings(service, one.limit) + settings(service, said.recommended))
            lab.reload()
            after = sum(lab.login("alice", PASSWORD.raw).ok for _ in range(5))
            after = after if asked(lab).fits is Fits.YES else 0
        right = {Fits.YES: worked == count, Fits.NO: worked == 0, Fits.TIGHT: True}[said.fits]
    spare = said.spare if said.spare is not None else 0
    return Outcome(one, said.fits.value, spare, worked, count, after, right and after in (None, 5))


def asked(lab: Lab) -> ServiceFit:
    """What ``memory fit`` says of alice's hash there."""
    report = observe_fit(FitQuestion(at_pid(lab.master_pid, None)))
    [service] = report.passdbs[0].services
    return service


def line(outcome: Outcome) -> str:
    one = outcome.case
    return (
        f"{one.number:3} {one.dovecot:<9} {one.driver:<12} m={one.m:<7} p={one.p}"
        f" limit {one.limit / _MIB:6.1f} MiB  {outcome.said:<13} {outcome.logins}/{outcome.asked}"
        f"  {'ok' if outcome.agrees else 'WRONG'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    outcomes = []
    with ExitStack() as stack:
        servers: dict[str, Server] = {
            "mysql": stack.enter_context(MariaDB()),
            "pgsql": stack.enter_context(Postgres()),
        }
        for number in range(given.cases):
            one = case(number, given.seed)
            outcome = run(one, servers.get(one.driver))
            outcomes.append(outcome)
            print(line(outcome), flush=True)
    right = sum(outcome.agrees for outcome in outcomes)
    text = {"about": about() | {"seed": given.seed, "agree": right}, "cases": [asdict(o) for o in outcomes]}
    new = given.results.with_suffix(".new")
    new.write_text(json.dumps(text, indent=1) + "\n")
    new.replace(given.results)
    print(f"{right} of {len(outcomes)} agree.")


if __name__ == "__main__":
    main()
