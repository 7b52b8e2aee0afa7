"""The fixture that every proof is told with, and those of a client on another host."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from mailauth.lab import Lab
from tests.conftest import missing
from tests.proofs.networks import Networks
from tests.proofs.story import Proof
from tests.proofs.two_hosts import CLIENT, CLIENT6, GOOD, SERVER, SERVER6, Start, Way


@pytest.fixture
def proof(lab: Callable[..., Lab]) -> Iterator[Callable[..., Proof]]:
    """``proof(version, store, users, settings=...)``: a Proof whose lab ends with the test."""
    open_labs: list[Lab] = []

    def make(version: str, store: str, users: Mapping[str, str | None], **more: Any) -> Proof:
        one = lab(version, store, dict(users), **more)
        one.__enter__()
        open_labs.append(one)
        return Proof(one)

    yield make
    for one in open_labs:
        one.__exit__(None, None, None)


@pytest.fixture
def networks() -> Iterator[Callable[..., Networks]]:
    if os.geteuid():
        missing("only root may make network namespaces")
    with ExitStack() as stack:

        def make(*names: str) -> Networks:
            made = Networks(*names)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def start(networks: Callable[..., Networks], dovecot_version: str) -> Iterator[Start]:
    """``start(settings)``: a client and a server beside each other, with Dovecot in the latter."""
    with ExitStack() as stack:

        def make(
            settings: str = "", *, nets: Networks | None = None, protocols: tuple[str, ...] = ("imap",)
        ) -> Way:
            if nets is None:
                nets = networks("server", "client")
                nets.cable("server", "client", names=("srv0", "cli0"))
                for space, device, mine in (("server", "srv0", SERVER), ("client", "cli0", CLIENT)):
                    nets.address(space, device, f"{mine}/24")
                for space, device, mine in (("server", "srv0", SERVER6), ("client", "cli0", CLIENT6)):
                    nets.address(space, device, f"{mine}/64")
            one = Lab(dovecot_version, "passwd-file", {"alice": GOOD}, settings, protocols)
            with nets.inside("server"):
                stack.enter_context(one)
            return Way(nets, one)

        yield make
