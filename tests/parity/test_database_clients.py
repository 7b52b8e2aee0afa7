"""Dovecot's database clients and ours: the same settings and queries come to the same outcome and reason.

On servers that offer TLS and servers that do not.  Dovecot's outcome is that of ``doveadm auth lookup``,
its reason what it logs.
"""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.dovecot.version import Version
from mailauth.evidence import PassdbAnswer
from mailauth.lab import Lab
from mailauth.lab.databases import Server
from mailauth.lab.stores import SqlStore
from mailauth.probes.lookup import ask_each, observe_user_name
from mailauth.probes.scene import Scene
from mailauth.stores.mysql_client import connector
from mailauth.stores.store import Failing, Failure, Outcome
from tests.conftest import PROVEN
from tests.parity.database_clients import CONNECT, PLAIN, QUERIES, STRICT, TLS, Case, files

STORED = "{PLAIN}secret"
_SECONDS = 20.0
_NEXT = 3.0  # seconds after a server failed in which another may answer
_FAILED = re.compile(r"onnect failed|Fatal: |connect string|Password query", re.IGNORECASE)
_OUTCOMES = {0: Outcome.FOUND, 67: Outcome.UNKNOWN_USER, 75: Outcome.FAILED}
# What Dovecot's log says of a connection that does not come about.
_REASONS = {
    Failing.DOWN: r"Can't connect|could not connect|failed: (Connection refused|No such)",
    Failing.CREDENTIALS: r"Access denied|password authentication failed|pg_hba\.conf",
    Failing.TLS: r"TLS/SSL error|SSL error|certificate|does not support SSL",
    Failing.DATABASE: r"Unknown database|database \"\w+\" does not exist",
    Failing.SETTINGS: r"connect string|connection (option|info string)|character set|client_encoding",
    Failing.PERMISSION: r"Access denied",
    Failing.NO_FIELD: r"must return a field named",
    Failing.ROWS: r"returned multiple matches",
}

KINDS = ("mysql", "pgsql")


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[tuple[str, bool], Server]]:
    """Each with TLS and without, and the account STRICT."""
    with ExitStack() as stack:
        found = {}
        for kind in KINDS:
            for tls, kinds in ((True, TLS), (False, PLAIN)):
                found[kind, tls] = server = stack.enter_context(kinds[kind]())
                _account(server)
        yield found


def _account(server: Server) -> None:
    if server.driver == "mysql":
        server.execute(f"CREATE USER {STRICT}@'127.0.0.1' IDENTIFIED BY 'pw' REQUIRE SSL")
        server.execute(f"GRANT ALL ON *.* TO {STRICT}@'127.0.0.1'")
    else:
        server.execute(f"CREATE ROLE {STRICT} SUPERUSER LOGIN PASSWORD 'pw'")


def _theirs(lab: Lab) -> tuple[Outcome, int]:
    """How Dovecot fares, and where what it logs of it begins."""
    before = len(lab.log())
    lab.restart()
    asked = subprocess.Popen(
        lab.argv("doveadm", "auth", "lookup", "alice"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    began, failed = time.monotonic(), 0.0
    while (status := asked.poll()) is None and time.monotonic() < began + _SECONDS:
        if not failed and _FAILED.search(lab.log()[before:]):
            failed = time.monotonic()
        if failed and time.monotonic() > failed + _NEXT:
            break  # it would wait for a minute
        time.sleep(0.02)
    asked.kill()
    asked.wait()
    return _OUTCOMES[75 if status is None else status], before


def _ours(lab: Lab) -> PassdbAnswer:
    dovecot = at_pid(lab.master_pid, None)
    scene = Scene(dovecot, read_config(dovecot), "alice")
    scene = Scene(dovecot, scene.config, "alice", names=observe_user_name(scene))
    asked = ask_each(scene)
    assert asked.unasked == ()
    return asked.answers[0]


def _compare(lab: Lab) -> str:
    """Nothing where we agree; else what each says."""
    outcome, start = _theirs(lab)
    ours = _ours(lab)
    told = f"Dovecot: {outcome.value}, mailauth: {ours.outcome.value}, {ours.failure}"
    found = ours.outcome if ours.outcome is not Outcome.NO_PASSWORD else Outcome.FOUND
    if outcome is Outcome.FOUND and _tries_without_tls(lab, ours.failure):
        outcome = Outcome.FAILED  # at first it was, as the log says
    if found is not outcome:
        return f"{told}\n{lab.log()[start:]}"
    if ours.failure is None:
        return ""
    reason = _REASONS.get(ours.failure.kind)
    if reason is None:  # a query's: the server's words, but for what it quotes
        words = ours.failure.says.partition(": ")[2].partition(" (the server means")[0]
        reason = ".*".join(re.escape(part) for part in words.split("..."))
    if outcome is Outcome.UNKNOWN_USER or _logs(lab, start, reason):
        return ""
    return f"{told}\n{lab.log()[start:]}"


def _logs(lab: Lab, start: int, reason: str) -> bool:
    """Whether an error that Dovecot logged says so, or one does soon: its log lags behind its replies."""
    deadline = time.monotonic() + _SECONDS
    while not re.search(rf"(Error|Fatal): .*({reason})", lab.log()[start:]):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _tries_without_tls(lab: Lab, failure: Failure | None) -> bool:
    """2.3.19 and older with MariaDB, a second later: that is DB013's to say."""
    old = lab.driver == "mysql" and lab.version < Version.parse("2.3.20")
    return old and failure is not None and failure.kind is Failing.TLS


def _settings(lab: Lab) -> Any:
    return lab.config if lab.dialect == "2.4" else lab.folder / "dovecot-sql.conf.ext"


def _rewritten(text: str, case: Case, given: dict[str, str]) -> str:
    def filled(part: str) -> str:
        for name, value in given.items():
            part = part.replace(f"{{{name}}}", value)
        return part.replace("{{", "{").replace("}}", "}")

    for old, new in case.changes:
        assert filled(old) in text, f"{filled(old)!r} is nowhere"
        text = text.replace(filled(old), filled(new), 1)
    return text


@pytest.mark.parametrize("version", PROVEN)
@pytest.mark.parametrize("tls", [True, False], ids=["TLS offered", "no TLS"])
@pytest.mark.parametrize("kind", KINDS)
def test_connections(
    lab: Callable[..., Lab], servers: dict[tuple[str, bool], Server], version: str, kind: str, tls: bool
) -> None:
    differ = {}
    server = servers[kind, tls]
    with (
        lab(version, kind, {"alice": STORED}, database=server) as one,
        files(one, server) as given,
    ):
        file = _settings(one)
        text = file.read_text()
        for case in CONNECT[kind, one.dialect]:
            file.write_text(_rewritten(text, case, dict(given)))
            if said := _compare(one):
                differ[case.name] = said
    assert differ == {}, "\n\n".join(f"{name}: {said}" for name, said in differ.items())


@pytest.mark.parametrize("version", PROVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_queries(
    lab: Callable[..., Lab], servers: dict[tuple[str, bool], Server], version: str, kind: str
) -> None:
    differ = {}
    users = {"alice": STORED, "bob": STORED}
    with lab(version, kind, users, database=servers[kind, False]) as one:
        if kind == "mysql":
            name = f"gone_{one.store.place.database}"
            assert isinstance(one.store, SqlStore)
            one.store.execute(
                f"CREATE USER {name}@'127.0.0.1'",
                f"CREATE DEFINER={name}@'127.0.0.1' VIEW gone AS SELECT userid, password FROM users",
                f"DROP USER {name}@'127.0.0.1'",
            )
        file = _settings(one)
        text = file.read_text()
        for case in QUERIES[kind]:
            query = case.query if one.dialect == "2.3" else case.query.replace("%u", "%{user}")
            file.write_text(re.sub(r"(?<=query = ).*", query.replace("\\", r"\\"), text))
            if said := _compare(one):
                differ[case.name] = said
    assert differ == {}, "\n\n".join(f"{name}: {said}" for name, said in differ.items())


def test_the_connector_is_that_of_the_dovecot(lab: Callable[..., Lab]) -> None:
    """Whatever this process has asked before: by the same path another root has another library."""
    connector()
    found = {}
    for version in ("2.3.13", "testing"):
        with lab(version, "passwd-file", {"alice": STORED}) as one:
            found[version] = at_pid(one.master_pid, None).inside(connector, tuple[int, int])
    assert found["2.3.13"] == (3, 1)
    assert found["testing"] >= (3, 4)
