"""``memory fit``: what it says of a server is what happens there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest

from bench import capacity_fit
from mailauth import hashes
from mailauth.dovecot.doveadm import at_pid
from mailauth.errors import CannotObserve
from mailauth.hashes import Password
from mailauth.hashes.damaged import Reader
from mailauth.lab import Lab
from mailauth.memory import fit
from mailauth.memory.census import census
from mailauth.memory.fitting import Fits, bite, judge
from mailauth.memory.footprint import NOTHING, argon2
from mailauth.probes.ceilings import observe_ceilings
from mailauth.probes.fitting import FitQuestion, observe_fit
from mailauth.stores import grouping, string_counts
from mailauth.stores.rows import Survey
from mailauth.stores.string_counts import Tally
from tests.memory.conftest import Mailauth, schema_file

MiB = 1024 * 1024


def made(scheme: str, **options: int | str) -> str:
    return hashes.generate(scheme, Password.of("secret"), user="", **options)


MIXED = {
    **{f"a{n}": made("ARGON2ID", memory=1024, time=1) for n in range(4)},
    **{f"b{n}": made("ARGON2I", memory=2048, time=3, lanes=2) for n in range(2)},
    "yescrypt": made("CRYPT", kind="$y$", rounds=1),
    "gost": made("CRYPT", kind="$gy$", rounds=1),
    "scrypt": made("CRYPT", kind="$7$", rounds=6),
    "encoded": made("ARGON2ID.B64", memory=4096, time=1),
    "none": None,
    "cut": "{ARGON2ID}$argon2id$v=19$m=65",
    "plain": "{PLAIN}a.b$c",
    "sha": made("SHA512-CRYPT", rounds=1000),
}


@pytest.mark.parametrize("number", range(12))
def test_it_agrees_with_real_logins(number: int, request: pytest.FixtureRequest) -> None:
    """Acceptance; 40 of the same in bench/capacity_fit.py."""
    one = capacity_fit.case(number)
    shared = {"mysql": "mariadb", "pgsql": "postgres"}.get(one.driver)
    outcome = capacity_fit.run(one, request.getfixturevalue(shared) if shared else None)
    assert outcome.agrees, outcome


def test_every_store_counts_as_python_does(lab: Callable[..., Lab], store: str) -> None:
    """In the database's own words, and in a file's lines."""
    with lab(None, store, MIXED) as one:
        report = observe_fit(FitQuestion(at_pid(one.master_pid, None))).passdbs[0]
    tally = Tally(string_counts.Question(Reader((2, 4, 1))))
    for stored in MIXED.values():
        tally.add((stored or "").encode(), ())
    assert report.census is not None
    wanted = census(Survey(report.census.place, tally.rows, tally.classes()))
    assert wanted.sets == report.census.sets
    assert (report.census.rows, len(report.census.sets)) == (len(MIXED), 6)


@pytest.mark.parametrize(
    ("query", "column", "tables"),
    [
        ("SELECT password FROM users WHERE u='%u'", "password", "users"),
        ("select a as user, CONCAT('a', p) as password from m where 1", "CONCAT('a', p)", "m"),
        ('SELECT u.password, NULL AS x FROM "users" u ORDER BY 1', "u.password", '"users" u'),
        ("SELECT (SELECT 'a' FROM b) AS user, p password FROM t;", "p", "t"),
    ],
)
def test_the_password_query_is_understood(query: str, column: str, tables: str) -> None:
    rows = grouping.rows_of(query, "")
    assert (rows.column, rows.tables) == (column, tables)


@pytest.mark.parametrize(
    "query",
    [
        "CALL lookup('%u')",
        "SELECT pw FROM users",
        "SELECT password FROM users_%d WHERE u='%n'",
        "SELECT '%{password}' AS password FROM users",
    ],
)
def test_a_query_that_is_not_plain_asks_for_another(query: str) -> None:
    with pytest.raises(CannotObserve, match="--rows-query"):
        grouping.rows_of(query, "f")


def test_the_three_verdicts_lie_where_the_bounds_are() -> None:
    one = argon2(65536, 1)
    idle = 20 * MiB
    assert judge(None, idle, one) is Fits.YES
    assert judge(idle + one.always, idle, one) is Fits.YES
    assert judge(idle + one.always - 1, idle, one) is Fits.TIGHT
    assert judge(idle + one.memory.blocks, idle, one) is Fits.TIGHT
    assert judge(idle + one.memory.blocks - 1, idle, one) is Fits.NO
    assert judge(10 * MiB, idle, one) is Fits.NO


def test_the_recommended_limit_is_enough() -> None:
    for m in (8, 19456, 65536, 300_000, 1 << 20):
        one = argon2(m, 1)
        limit = fit.safe_limit(23 * MiB, one.memory)
        assert judge(limit, 23 * MiB, one) is Fits.YES
        assert limit % (64 * MiB) == 0


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_a_control_group_is_seen_in_either_version(tmp_path: Path, version: str) -> None:
    """The tightest of the group and those above it; pages of files count as free."""
    write = _writer(tmp_path)
    line = {"v1": "5:cpu,memory:/a/b\n0::/\n", "v2": "0::/a/b\n", "hybrid": "5:memory:/a/b\n0::/x\n"}[version]
    write("proc/7/cgroup", line)
    names = {"v2": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")}.get(
        version,
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    mount, limit, used, cache = names
    write(f"{mount}/a/b/{limit}", "max\n" if version == "v2" else "9223372036854771712\n")
    write(f"{mount}/a/{limit}", f"{100 * MiB}\n")
    write(f"{mount}/a/{used}", f"{70 * MiB}\n")
    write(f"{mount}/a/memory.stat", f"x 1\n{cache} {10 * MiB}\n")
    [seen] = observe_ceilings(7, 6, tmp_path)
    assert (seen.limit, seen.free, seen.source) == (100 * MiB, 40 * MiB, f"/{mount}/a/{limit}")


def test_unit_limits_overcommit_and_the_machine_are_seen(tmp_path: Path) -> None:
    write = _writer(tmp_path)
    write(
        "proc/6/limits",
        f"Max data size  unlimited  unlimited bytes\nMax address space  9  {90 * MiB} bytes\n",
    )
    write("proc/sys/vm/overcommit_memory", "2\n")
    write(
        "proc/meminfo",
        "MemTotal: 4096 kB\nMemAvailable: 1024 kB\nCommitLimit: 8192 kB\nCommitted_AS: 9000 kB\n",
    )
    seen = observe_ceilings(7, 6, tmp_path)
    assert [(one.limit, one.free) for one in seen] == [
        (90 * MiB, 90 * MiB),
        (8 * MiB, (8192 - 9000) * 1024),
        (4 * MiB, MiB),
    ]
    assert bite(seen[1], (), argon2(1024, 1)).bites == "always"


def test_no_ceiling_where_nothing_says_so(tmp_path: Path) -> None:
    assert observe_ceilings(7, 6, tmp_path) == ()
    assert bite.__doc__
    assert NOTHING.first == 0


def _writer(root: Path) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def test_on_the_command_line_without_a_dovecot(memory: Mailauth) -> None:
    ran = memory("fit", "--vsz-limit", "256M", "--driver", "mysql", "--idle", "24M", "--memory", "256M")
    assert ran.status == 1
    assert "verified by auth-worker (none runs): 24 MiB idle, may grow to 256 MiB" in ran.out
    assert "DOES NOT FIT" in ran.out
    assert "    service auth-worker {\n      vsz_limit = 320M\n    }\n" in ran.out
    assert memory("fit", "--vsz-limit", "unlimited", "--driver", "pgsql", "--memory", "256M").status == 0
    assert memory("fit", "--vsz-limit", "1G", "--driver", "pgsql", "--memory", "256M").status == 0


def test_on_the_command_line_with_a_dovecot(lab: Callable[..., Lab], memory: Mailauth) -> None:
    with lab(None, "passwd-file", {"alice": made("ARGON2ID", memory=262144, time=1)}) as one:
        ran = memory("fit", "-c", str(one.config), "--json")
        text = memory("fit", "--pid", str(one.master_pid))
    assert (ran.status, text.status) == (1, 1)
    jsonschema.validate(ran.json, schema_file("memory-fit"))
    assert ran.json["passdbs"][0]["stanza"] == "service auth {\n  vsz_limit = 320M\n}\n"
    assert "1 row cannot log in, with the right password." in text.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--vsz-limit", "1G"), "give both --vsz-limit and --driver"),
        (("--vsz-limit", "1Q", "--driver", "mysql", "--memory", "8M"), "'1Q' is not a size"),
        (("--vsz-limit", "1G", "--driver", "mysql"), "give a stored HASH"),
        (("--vsz-limit", "1G", "--driver", "mysql", "-c", "/x"), "leave one pair out"),
        (("-c", "/no/such"), "there is no such file"),
        (("--pid", "999999999"), "there is no such process"),
        (("{PLAIN}x",), "a hash of your own needs --vsz-limit"),
    ],
)
def test_bad_input_is_one_sentence(memory: Mailauth, words: tuple[str, ...], said: str) -> None:
    ran = memory("fit", *words)
    assert ran.status == 2
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_as_many_workers_as_dovecot_would_start(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """auth_worker_max_count in 2.3, the service's process_limit in 2.4."""
    new = dovecot_version.startswith("2.4")
    settings = "service auth-worker {\n  process_limit = 7\n}\n" if new else "auth_worker_max_count = 7\n"
    with lab(dovecot_version, "sqlite", {"alice": made("ARGON2ID", memory=65536, time=1)}) as one:
        for text, most in (("", 30), (settings, 7)):
            one.configure(text)
            one.restart()
            report = observe_fit(FitQuestion(at_pid(one.master_pid, None))).passdbs[0]
            assert most == report.services[0].process.most


def test_a_limit_that_waits_for_a_reload_is_said(lab: Callable[..., Lab], memory: Mailauth) -> None:
    with lab(None, "passwd-file", {"alice": made("ARGON2ID", memory=262144, time=1)}) as one:
        one.configure("service auth {\n  vsz_limit = 1G\n}\n")
        ran = memory("fit", "--pid", str(one.master_pid))
        one.reload()
        after = memory("fit", "--pid", str(one.master_pid))
    assert ran.status == 1
    assert "not in force before a reload; then it fits." in ran.out
    assert f"  fix: doveadm -c {one.config} reload\n" in ran.out
    assert after.status == 0


def test_the_cache_is_verified_by_another_service(lab: Callable[..., Lab]) -> None:
    """With workers verifying cache hits, pgsql needs both limits, and the stanza has both."""
    settings = "auth_cache_size = 10M\nauth_cache_verify_password_with_worker = yes\n"
    with lab(None, "pgsql", {"alice": made("ARGON2ID", memory=262144, time=1)}, settings) as one:
        report = observe_fit(FitQuestion(at_pid(one.master_pid, None))).passdbs[0]
    assert [service.process.service for service in report.services] == ["auth", "auth-worker"]
    assert report.stanza.count("vsz_limit = 320M") == 2


def test_a_passdb_that_cannot_be_read_is_undecided(
    lab: Callable[..., Lab], memory: Mailauth, dovecot_version: str
) -> None:
    old, new = "driver = imap\n  args = host=127.0.0.1 port=1", "imapc_host = 127.0.0.1\n  imapc_port = 1"
    imap = f"passdb {{\n  {old}\n}}\n" if dovecot_version < "2.4" else f"passdb imap {{\n  {new}\n}}\n"
    with lab(dovecot_version, "passwd-file", {"alice": "{PLAIN}secret"}, imap) as one:
        ran = memory("fit", "--pid", str(one.master_pid))
    assert ran.status == 3
    assert "passdb 2 (imap): UNDECIDED" in ran.out
    assert "no hash there takes memory worth mentioning." in ran.out


def test_a_process_that_verifies_just_now_is_not_taken_for_a_large_one(lab: Callable[..., Lab]) -> None:
    stored = made("ARGON2ID", memory=131072, time=12)
    with lab(None, "passwd-file", {"alice": stored}) as one:
        idle = asked_idle(one)
        with ThreadPoolExecutor(1) as pool:
            login = pool.submit(one.login, "alice", b"secret")
            sizes = []
            while not login.done():
                sizes.append(asked_idle(one))
            assert login.result().ok
    assert sizes
    assert max(sizes) <= idle + 512 * 1024  # the index array, and what the heap grew by


def asked_idle(lab: Lab) -> int:
    report = observe_fit(FitQuestion(at_pid(lab.master_pid, None))).passdbs[0]
    return report.services[0].process.idle
