"""The fixture that every proof is told with."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from mailauth.lab import Lab
from tests.proofs.story import Proof


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
