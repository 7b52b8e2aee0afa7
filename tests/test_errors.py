"""What an error says.  That nothing is decided by its text is test_house.py's."""

import os

import psutil
import pytest

from mailauth.dovecot import answers
from mailauth.errors import AS_ROOT, CannotObserve, Ended, MailauthError, Refused, joined
from mailauth.evidence import Unseen
from mailauth.oserrors import from_world


def test_what_needs_root_ends_with_the_command_that_shows_it() -> None:
    why = CannotObserve("/proc/1: cannot be read.", needs_root=True)
    assert str(why) == f"/proc/1: cannot be read; {AS_ROOT}."
    assert why.ours


def test_several_reasons_have_the_command_once_at_the_end() -> None:
    hidden = CannotObserve("cannot be read.", needs_root=True)
    told = joined([Unseen(1, "passdb 1", str(hidden), needs_root=True), Unseen(2, "passdb 2", "is PAM's.")])
    assert str(told) == f"passdb 1: cannot be read; passdb 2: is PAM's; {AS_ROOT}."


@pytest.mark.parametrize(
    "why",
    [
        CannotObserve("x", needs_root=True),
        CannotObserve("x", needs_option=True),
        CannotObserve("x"),
        Refused("x"),
    ],
    ids=["needs root", "needs an option", "of the world", "refused"],
)
def test_what_a_child_in_another_root_says_is_the_same_error_here(why: CannotObserve | Refused) -> None:
    def work() -> None:
        raise why

    kind, value = answers.read(answers.of(work, 1), None)
    assert isinstance(value, answers.AnswerWhy)
    told = value.error(kind)
    assert (type(told), str(told), told.needs_root, told.ours) == (
        *(type(why), str(why), why.needs_root, why.ours),
    )


def test_errors_of_the_world_are_told_from_bugs_of_ours() -> None:
    def said(why: Exception) -> tuple[type[MailauthError], str] | None:
        known = from_world(why)
        return (type(known), known.reason) if known else None

    assert said(psutil.AccessDenied(7)) == (CannotObserve, "/proc/7: may not be read by us.")
    assert said(psutil.NoSuchProcess(7)) == (Ended, "process 7 ended while we looked")
    assert said(ProcessLookupError()) == (Ended, "a process ended while we looked")
    closed = from_world(PermissionError(13, "Permission denied", "/x"))
    assert closed
    assert (closed.reason, closed.needs_root) == (
        "/x: cannot be read (Permission denied).",
        os.geteuid() != 0,
    )
    assert said(KeyError("x")) is None
    assert said(FileNotFoundError(2, "No such file", "/x")) is None
