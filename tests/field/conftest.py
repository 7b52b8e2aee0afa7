"""The fixtures that every field test is told with."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailauth.lab import builds
from tests.conftest import missing
from tests.field.rig import Rig
from tests.field.stacks import Stack, files_of


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Callable[..., Rig]]:
    """``rig(version, store, files, schema, ...)``: a running Rig that ends with the test."""
    running: list[Rig] = []

    def make(version: str, store: str, *more: Any, **named: Any) -> Rig:
        if builds.available(version) is None:
            missing(f"Dovecot {version} is not here; fetch it with: mailauth lab fetch {version}")
        servers = {"mysql": "mariadb", "pgsql": "postgres"}
        if store in servers and "database" not in named:
            named["database"] = request.getfixturevalue(servers[store])
        one = Rig(version, store, *more, **named)
        one.__enter__()
        running.append(one)
        return one

    yield make
    for one in running:
        one.__exit__(None, None, None)


@pytest.fixture
def server(rig: Callable[..., Rig]) -> Callable[[Stack], Rig]:
    """``server(stack)``: a running Rig of one of the stacks."""

    def make(stack: Stack) -> Rig:
        files, schema = files_of(stack)
        values = {"HASH": stack.stored}
        return rig(stack.dovecot, stack.store, files, schema, values=values, protocols=stack.protocols)

    return make
