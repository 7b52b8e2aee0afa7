"""What the tests need of the machine: real Dovecots and databases, named in the header.

A test that needs what is missing is skipped, with the reason; with CI=true or MAILAUTH_REQUIRE=1 it fails.
"""

import ctypes.util
import gc
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.lab import STORES, Lab, MariaDB, Postgres, builds
from mailauth.lab.databases import Server
from mailauth.stores import libldap

# A machine's proofs are those of its own Dovecot; .ci/run is on a Debian of each dialect.
_DIALECTS = ("2.3.19.1", "2.4.1")
DOVECOTS = (*_DIALECTS, "2.3.13", "2.3.21.1", "testing")  # "testing" is the newest there is


_NAMED = tuple(os.environ.get("MAILAUTH_DOVECOTS", "").split())


def _own() -> tuple[str, ...]:
    here = builds.installed()
    return tuple(one for one in _DIALECTS if here and one == str(here.version)) or _DIALECTS


# Every proof runs on these; bench/matrix.py names others.
PROVEN = _NAMED or _own()
# What is marked "core" runs on these, too.
CORE = () if _NAMED else tuple(one for one in DOVECOTS if one not in PROVEN)
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda have, bound: have >= bound,
    "<=": lambda have, bound: have <= bound,
    "==": lambda have, bound: have == bound,
    ">": lambda have, bound: have > bound,
    "<": lambda have, bound: have < bound,
}


def required() -> bool:
    """Whether something missing is a failure."""
    return os.environ.get("CI") == "true" or os.environ.get("MAILAUTH_REQUIRE") == "1"


# A slow machine is no fault of what is tested; and where nothing may fail, the examples are always the same.
settings.register_profile(
    "mailauth", deadline=None, derandomize=required(), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mailauth")


def missing(what: str) -> None:
    """Skip the test, or fail it where nothing may be missing."""
    if required():
        pytest.fail(what)
    pytest.skip(what)


def pytest_report_header() -> list[str]:
    """The real versions."""
    here = builds.installed()
    dovecots = [f"{here.version} (installed)"] if here else []
    dovecots += [f"{build.version} ({r.suite})" for r in builds.RELEASES if (build := builds.unpacked(r))]
    servers = []
    for kind in (Postgres, MariaDB):
        with suppress(CannotObserve):
            servers.append(f"{kind.__name__} {kind().version}")
    return [
        f"Dovecot: {', '.join(dovecots) or 'none'}",
        f"Databases: {', '.join(servers) or 'none'}",
        f"libsodium {_libsodium()}; Python {platform.python_version()}",
    ]


def _libsodium() -> str:
    name = ctypes.util.find_library("sodium")
    if name is None:
        return "none"
    version = ctypes.CDLL(name).sodium_version_string
    version.restype = ctypes.c_char_p
    return str(version().decode())


# What is collected, 6,000 tests in each process, lives as long as it: no look for garbage visits it, then or
# later.  In the collection these looks took a third of the time.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(50_000)  # as the command line itself has it
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def no_connection_of_the_tests_own_process() -> Iterator[None]:
    """A process keeps the first settings of TLS that its libldap reads, as do its children: see apart."""
    ours, connected = os.getpid(), libldap.connected

    def guarded(*args: Any) -> Any:
        assert os.getpid() != ours, "a test that uses libldap itself does so apart"
        return connected(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libldap, "connected", guarded)
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``dovecot(">= 2.4")``: the test's own ``dovecot_version``, else the one installed, must be such."""
    for mark in item.iter_markers("dovecot"):
        call = getattr(item, "callspec", None)
        wanted: str | None = call.params.get("dovecot_version") if call else None
        found = getattr(builds.available(wanted), "version", None)
        if found is None:
            missing(f"Dovecot {wanted} is not here" if wanted else "no Dovecot is installed")
        elif not _fits(found, mark.args[0]):
            pytest.skip(f"for Dovecot {mark.args[0]}, not {found}")


def _fits(version: Version, spec: str) -> bool:
    for part in spec.split(","):
        found = re.fullmatch(r"\s*(>=|<=|==|>|<)\s*([\d.]+)\s*", part)
        assert found, f"{part!r} is not a comparison with a version"
        if not _COMPARE[found[1]](version, Version.parse(found[2])):
            return False
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``dovecot_version``, and ``doveadm`` of that version: those that every proof runs on, and CORE.

    Unless the test names its own.
    """
    core = CORE if metafunc.definition.get_closest_marker("core") else ()
    own = " ".join(str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize"))
    for name in {"dovecot_version", "doveadm"}.intersection(metafunc.fixturenames):
        if name not in own:
            metafunc.parametrize(name, [*PROVEN, *core], indirect=True)


@pytest.fixture
def dovecot_version(request: pytest.FixtureRequest) -> str:
    """The number of the Dovecot that the test is to run on."""
    build = builds.available(request.param)
    if build is None:
        missing(f"Dovecot {request.param} is not here; fetch it with: mailauth lab fetch {request.param}")
    assert build
    return str(build.version)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """Each kind of store."""
    return str(request.param)


def _shared(server: Server) -> Iterator[Server]:
    try:
        server.__enter__()
    except CannotObserve as why:
        missing(str(why))
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A private PostgreSQL for all tests; each Lab has a database of its own in it."""
    yield from _shared(Postgres())


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A private MariaDB for all tests; each Lab has a database of its own in it."""
    yield from _shared(MariaDB())


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Callable[..., Lab]:
    """``lab(dovecot, store, users, ...)`` makes a Lab that uses the shared database servers."""

    def make(dovecot: str | None = None, store: str = "passwd-file", *more: Any, **named: Any) -> Lab:
        servers = {"mysql": "mariadb", "pgsql": "postgres"}
        if store in servers and "database" not in named:
            named["database"] = request.getfixturevalue(servers[store])
        return Lab(dovecot, store, *more, **named)

    return make
