"""A service's log is bounded, and nothing that was said is lost from the count."""

from mailauth.listening.repeats import Repeats


def test_repeats_are_counted() -> None:
    said: list[str] = []
    repeats = Repeats(said.append, most=3)
    for number in range(1000):
        repeats("noise", f"noise \x1b[2J{number} " + "x" * 10_000)
    repeats("other", "other")
    repeats.close()
    assert len(said) == 5
    assert all(len(line) < 1000 and line.isprintable() for line in said)
    assert "997 times more: noise" in said


def test_a_new_window_says_what_the_last_kept_back() -> None:
    said: list[str] = []
    repeats = Repeats(said.append, most=1, seconds=3600.0)
    for _ in range(5):
        repeats("noise", "noise")
    repeats.seconds = 0.0
    repeats("noise", "noise")
    assert said == ["noise", "4 times more: noise", "noise"]
