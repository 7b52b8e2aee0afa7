"""Watching: changes only, and ever longer waits where a password is refused."""

from mailauth.clients.door import Answer, Step
from mailauth.login.watch import AnswerChange, Round, after, changes, wait
from mailauth.login.way import Attempt, Layer, Way

NOTHING = Round()


def round_of(*answers: Answer, before: Round = NOTHING) -> Round:
    names = (Way(Layer.TEST), Way(Layer.SOCKET, "imap", "PLAIN"))
    return after(before, [Attempt(way, answer) for way, answer in zip(names, answers, strict=True)])


def test_only_what_changed_is_told_and_the_verdict_last() -> None:
    well = round_of(Answer.IN, Answer.IN)
    ill = round_of(Answer.IN, Answer.REFUSED, before=well)
    assert changes(well, well) == ()
    assert changes(well, ill) == (
        AnswerChange("auth socket imap PLAIN", "yes", "no"),
        AnswerChange("breaks", "nothing", "passdb, for one service (imap)"),
    )


def test_a_way_that_is_not_tried_keeps_its_last_answer() -> None:
    well = round_of(Answer.IN, Answer.IN)
    assert changes(well, round_of(Answer.IN, Answer.NOT_TRIED, before=well)) == ()


def test_the_step_is_part_of_the_answer() -> None:
    way = Way(Layer.DOOR, "imap", "PLAIN")
    one = after(NOTHING, [Attempt(way, Answer.BROKEN, Step.GREETING)])
    other = after(one, [Attempt(way, Answer.BROKEN, Step.MAIL)])
    assert changes(one, other)[0] == AnswerChange(
        "imap PLAIN", "breaks off at greeting", "breaks off at mail"
    )


def test_the_wait_doubles_up_to_an_hour() -> None:
    assert [wait(60, refused) for refused in (0, 1, 2, 3, 10, 1000)] == [60, 120, 240, 480, 3600, 3600]
    assert wait(7200, 5) == 7200
