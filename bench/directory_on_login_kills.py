"""Kill the on-login service of a directory at random moments of logins, and start it again, on a real slapd.

    nice -n 10 python -m bench.directory_on_login_kills [--kills 40] [--entries 16] [--write]

Half on 2.3.19.1, half on 2.4.1.  While everybody logs in, the service is killed with SIGKILL.  Then every
login worked, and every entry has its old value or a new one that verifies, and its other values as they
were.  The service is started again, and everybody logs in until all are new; then once more, and each of
those logins is counted once.

In between, Dovecot may report nothing for a while: the port was closed, as it is without the socket unit, and
its pause before it connects again doubled (docs/decisions/407).  How many reports that cost is told.
bench/results/directory-on-login-kills.json
"""

import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

from bench.directory_kills import Plan, main
from mailauth.hashes import Password, Verdict, verify
from mailauth.lab.slapd import PEOPLE
from tests.migrate.conftest import OnLoginLab, old_users, secret
from tests.migrate.test_directory import Commands, entry, held, slapd
from tests.migrate.test_on_login_directory import SMALL, bound

RESULT = Path(__file__).parent / "results" / "directory-on-login-kills.json"
BEHIND = "{PLAIN}behind it"  # another value of each entry
ALL_NEW, ALL_TOLD, A_ROUND = 180.0, 60.0, 5.0  # seconds
BEGINS, A_HASH = 30.0, 0.1  # until as many are new, and so that a moment can be within one


class Bench:
    """One directory, whose entries are old again before each kill."""

    def __init__(self, one: Commands, count: int) -> None:
        self.one, self.count = one, count
        self.users = old_users(count)
        self.names = {user: f"uid={user},{PEOPLE}" for user in self.users}
        self.before: dict[str, list[str]] = {}

    def killed(self, verb: str, chance: random.Random) -> dict[str, Any]:
        self._old_again()
        work = OnLoginLab(self.one.lab, self.one.folder)
        try:
            work.enable(*SMALL, *bound(self.one.folder))
            work.start()
            problems, seconds = self._killed(work, chance)
            old, new, odd = self._counts()
            problems += odd
            work.start()
            more, told = self._gone_on_with(work)
            problems += more
            work.mailauth("disable", *work.at, "--apply")
        finally:
            work.close()
        problems += [f"{user} cannot log in at the end" for user in self._log_in()]
        left = {"at, seconds": seconds, "was running": old > 0, "old": old, "new": new, **told}
        return {"during": verb, **left, "problems": problems}

    def _old_again(self) -> None:
        server = slapd(self.one.lab)
        if self.before:
            server.remove(list(self.before))
        server.add(
            {self.names[user]: entry(user, stored or "", BEHIND) for user, stored in self.users.items()}
        )
        self.before = held(self.one.lab)

    def _killed(self, work: OnLoginLab, chance: random.Random) -> tuple[list[str], float]:
        failed: list[str] = []
        logins = threading.Thread(target=lambda: failed.extend(self._log_in()))
        began = time.monotonic()
        logins.start()
        done = chance.randrange(self.count)  # entries, at least, when it is killed
        while self._counts()[1] < done and time.monotonic() < began + BEGINS:
            time.sleep(0.01)
        time.sleep(chance.random() * A_HASH)
        work.stop(signal.SIGKILL)
        seconds = round(time.monotonic() - began, 3)
        logins.join()
        return [f"{user} could not log in" for user in failed], seconds

    def _log_in(self) -> list[str]:
        """Everybody once; who could not."""
        return [
            user for number, user in enumerate(self.users) if not self.one.lab.login(user, secret(number)).ok
        ]

    def _counts(self) -> tuple[int, int, list[str]]:
        """Old, new, and what is wrong with the others."""
        old = new = 0
        odd = []
        there = held(self.one.lab)
        for number, (user, name) in enumerate(self.names.items()):
            values = there.get(name, [])
            if values == self.before[name]:
                old += 1
            elif values[1:] == self.before[name][1:] and self._verifies(user, values[0], secret(number)):
                new += 1
            else:
                odd.append(f"{name} is neither old nor new")
        return old, new, odd

    @staticmethod
    def _verifies(user: str, stored: str, word: bytes) -> bool:
        made = stored.startswith("{ARGON2ID}")
        return made and verify(stored, Password(word), user=user).verdict is Verdict.MATCH

    def _gone_on_with(self, work: OnLoginLab) -> tuple[list[str], dict[str, Any]]:
        """What is wrong once everybody logged in again, with the service; and how long that took."""
        began, problems, logins = time.monotonic(), list[str](), 0
        before = sum(work.totals().values())
        while not problems and self._counts()[1] < self.count and time.monotonic() < began + ALL_NEW:
            problems += self._round(work, A_ROUND)[0]
            logins += self.count
        told: dict[str, Any] = {
            "seconds until all were new": round(time.monotonic() - began, 1),
            "logins": logins,
            "of them not reported": logins - (sum(work.totals().values()) - before),
        }
        more, came = self._round(work, ALL_TOLD)
        if came != self.count:
            problems.append(f"{self.count} logins at the end, and {came} reports were counted")
        old, new, odd = self._counts()
        if new != self.count:
            problems.append(f"gone on with: {old} old, {new} new")
        return problems + more + odd, told

    def _round(self, work: OnLoginLab, seconds: float) -> tuple[list[str], int]:
        """Everybody logs in; ``seconds``: until all must be counted."""
        before = sum(work.totals().values())
        problems = [f"{user} cannot log in after the kill" for user in self._log_in()]
        end = time.monotonic() + seconds
        while (came := sum(work.totals().values()) - before) < self.count and time.monotonic() < end:
            time.sleep(0.2)
        return problems, came


if __name__ == "__main__":
    main(Plan(Bench, ("on-login",), RESULT, entries=16))
