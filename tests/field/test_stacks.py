"""Servers in the manner of real mail stacks: nothing is found on a healthy one; what is broken is named."""

from collections.abc import Callable

import pytest

from tests.field.breaks import BREAKS
from tests.field.commands import is_healthy
from tests.field.rig import Rig
from tests.field.stacks import SECRET, STACKS, Break, Stack, by_name
from tests.proofs.story import Proof


@pytest.mark.parametrize("stack", STACKS, ids=lambda one: one.name)
def test_every_command_is_silent_on_a_healthy_one(server: Callable[[Stack], Rig], stack: Stack) -> None:
    one = server(stack)
    assert one.login(stack.user, SECRET.encode()).ok, one.log()
    is_healthy(one, stack.user, SECRET)


def test_what_the_log_names_is_not_unexplained(server: Callable[[Stack], Rig]) -> None:
    """auth_verbose = no holds back the reason of a wrong password, not that of a file."""
    [case] = [one for one in BREAKS if one.name == "the file is another group's"]
    stack = by_name(case.stack)
    one = server(stack)
    case.do(one)
    one.reload()
    assert not any(one.login(stack.user, SECRET.encode()).ok for _ in range(4))
    Proof(one, stack.user, SECRET.encode()).finds(set(case.finds), password=SECRET.encode())


@pytest.mark.parametrize("case", BREAKS, ids=lambda one: f"{one.stack}: {one.name}")
def test_what_is_broken_is_named(server: Callable[[Stack], Rig], case: Break) -> None:
    stack = by_name(case.stack)
    one = server(stack)
    user = case.user or stack.user
    case.do(one)
    one.reload()
    assert case.login or not one.login(user, SECRET.encode()).ok
    Proof(one, user, SECRET.encode()).finds(set(case.finds), password=SECRET.encode(), login=case.login)
