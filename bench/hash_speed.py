"""How fast: parsing beside libpass, verifying beside doveadm, ``hash new --csv`` on one core and on all.

    python bench/hash_speed.py

Ratios of one run on one machine; writes bench/results/hash-speed.json.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from passlib.context import CryptContext

from mailauth.hashes import Hash, Password, generate, identify, parse, verify
from mailauth.lab import builds

RESULT = Path(__file__).parent / "results/hash-speed.json"
ROWS = 200_000
SECRET = Password.of("s3cret")
MIX: tuple[tuple[str, dict[str, int | str], int], ...] = (
    ("BLF-CRYPT", {"cost": 4}, 30),
    ("SHA512-CRYPT", {"rounds": 5000}, 25),
    ("ARGON2ID", {"memory": 64, "time": 1}, 15),
    ("SSHA512", {}, 10),
    ("SSHA256", {}, 5),
    ("SSHA", {}, 5),
    ("MD5-CRYPT", {}, 5),
    ("PBKDF2", {"rounds": 10}, 5),
)
"""What a grown mail store holds, roughly: scheme, cheap parameters, parts of a hundred."""
HANDLERS = {
    "BLF-CRYPT": "bcrypt",
    "SHA512-CRYPT": "sha512_crypt",
    "ARGON2ID": "argon2",
    "SSHA512": "ldap_salted_sha512",
    "SSHA256": "ldap_salted_sha256",
    "SSHA": "ldap_salted_sha1",
    "MD5-CRYPT": "md5_crypt",
    "PBKDF2": "pbkdf2_sha1",
}
MORE_HANDLERS = (
    "des_crypt", "bsdi_crypt", "sha256_crypt", "sha1_crypt", "sun_md5_crypt", "bsd_nthash", "ldap_sha1",
    "ldap_md5", "ldap_salted_md5", "ldap_plaintext", "scram", "hex_md5", "hex_sha1", "hex_sha256",
    "hex_sha512",
)  # fmt: skip
"""libpass's for the other schemes that Dovecot has."""


def rows(count: int = ROWS) -> list[str]:
    """Stored strings as Dovecot has them; a few hundred different ones, shuffled."""
    rng = random.Random(7)  # noqa: S311 - it must repeat
    made = [
        generate(scheme, Password.of(str(n)), user="", **options)
        for scheme, options, share in MIX
        for n in range(share * 3)
    ]
    return [rng.choice(made) for _ in range(count)]


def per_second(work: Callable[[str], object], strings: Sequence[str]) -> float:
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        for text in strings:
            work(text)
        best = max(best, len(strings) / (time.process_time() - began))
    return best


def bare(stored: str) -> str:
    """As libpass wants it: without Dovecot's {SCHEME}, but for those that LDAP has too."""
    return stored if stored.startswith("{SSHA") else stored.partition("}")[2]


def parsing() -> dict[str, Any]:
    strings = rows()
    assert all(isinstance(parse(text), Hash) for text in strings[:1000])
    native = [bare(text) for text in strings]
    few = CryptContext(sorted(HANDLERS.values()))
    all_ = CryptContext([*MORE_HANDLERS, *sorted(HANDLERS.values())])
    speeds = {
        "parse (scheme, parameters, flaws)": per_second(parse, strings),
        "identify": per_second(identify, strings),
        "libpass identify, a context of the 8 schemes, no {SCHEME}": per_second(few.identify, native),
        "libpass identify, a context of all of Dovecot's schemes, no {SCHEME}": per_second(
            all_.identify, native
        ),
        "libpass identify, all of Dovecot's schemes, strings as stored": per_second(all_.identify, strings),
    }
    ours = speeds["parse (scheme, parameters, flaws)"]
    ratios = {
        f"parse / {name}": round(ours / speed, 2) for name, speed in speeds.items() if "libpass" in name
    }
    return {"rows_per_second": {name: round(speed) for name, speed in speeds.items()}, "ratios": ratios}


def spent() -> float:
    """Seconds of processor time, of this process and of its children that ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def median(work: Callable[[], object], times: int = 11) -> float:
    """Of processor time, not of the clock: the machine may be busy with other things."""
    took = []
    for _ in range(times):
        began = spent()
        work()
        took.append(spent() - began)
    return statistics.median(took)


def verifying() -> dict[str, Any]:
    """Our verify() in this process beside what a doveadm takes more than for {PLAIN}."""
    build = builds.installed()
    assert build is not None, "this needs an installed Dovecot"
    doveadm = build.program("doveadm")
    found: dict[str, Any] = {"dovecot": str(build.version)}
    for name, scheme, options in (
        ("Argon2id, 64 MiB, t=3", "ARGON2ID", {"memory": 65536, "time": 3}),
        ("bcrypt, cost 10", "BLF-CRYPT", {"cost": 10}),
        ("SHA512-CRYPT, 656000 rounds", "SHA512-CRYPT", {"rounds": 656_000}),
    ):
        stored = generate(scheme, SECRET, user="", **options)

        def theirs(stored: str) -> float:
            argv = [doveadm, "pw", "-t", stored, "-p", "s3cret"]
            return median(lambda: subprocess.run(argv, capture_output=True, check=True))

        ours = median(lambda stored=stored: verify(stored, SECRET))  # type: ignore[misc]
        plain, whole = theirs("{PLAIN}s3cret"), theirs(stored)
        found[name] = {
            "ours_ms": round(ours * 1000, 1),
            "doveadm_ms": round(whole * 1000, 1),
            "doveadm_own_work_ms": round((whole - plain) * 1000, 1),
            "ours / doveadm's own work": round(ours / (whole - plain), 2),
        }
    return found


_BARE = """
import sys
from mailauth.hashes import Password, generate
for n in range(int(sys.argv[1])):
    generate("ARGON2ID", Password.of(str(n)))
"""


def many(count: int = 240) -> dict[str, Any]:
    """``hash new --csv`` with one process and with one a core, beside bare loops without any of it.

    The bare loops, as many at once as there are cores, are what this machine can do just then: it may
    be busy, or its cores may share their memory's width.
    """
    cores = len(os.sched_getaffinity(0))
    text = "".join(f"u{n},password {n}\n" for n in range(count)).encode()

    def csv(jobs: int) -> None:
        argv = [sys.executable, "-m", "mailauth", "hash", "new", "--csv", "-", "--jobs", str(jobs)]
        subprocess.run(argv, input=text, capture_output=True, check=True)

    def bare_loops(number: int) -> None:
        argv = [sys.executable, "-c", _BARE, str(count // number)]
        running = [subprocess.Popen(argv) for _ in range(number)]
        assert not any(one.wait() for one in running)

    took: dict[str, list[float]] = {name: [] for name in ("one", "all", "bare one", "bare all")}
    works: tuple[tuple[str, Callable[[], None]], ...] = (
        ("one", lambda: csv(1)),
        ("all", lambda: csv(cores)),
        ("bare one", lambda: bare_loops(1)),
        ("bare all", lambda: bare_loops(cores)),
    )
    for _ in range(3):  # by turns, so that all four see the same machine
        for name, work in works:
            began = time.perf_counter()
            work()
            took[name].append(time.perf_counter() - began)
    one, all_, bare_one, bare_all = (min(seconds) for seconds in took.values())
    return {
        "cores": cores,
        "hashes": count,
        "seconds": {name: round(min(seconds), 2) for name, seconds in took.items()},
        "times as fast as one core": round(one / all_, 2),
        "bare loops, times as fast as one core": round(bare_one / bare_all, 2),
        "of what bare loops reach": round(bare_all / all_, 3),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": sys.version.split()[0],
        "libpass": version("libpass"),
        "parsing": parsing(),
        "verifying": verifying(),
        "csv": many(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
