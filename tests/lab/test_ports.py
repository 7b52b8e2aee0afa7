"""Each lab has ports of its own, also before anybody listens on them."""

from contextlib import suppress

import pytest

from mailauth.errors import CannotObserve
from mailauth.lab import ports


def test_no_port_is_given_twice_before_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PORTS", range(19_000, 19_100))  # none that another test may have
    one, other = ports.Ports(), ports.Ports()
    try:
        taken = []
        with suppress(CannotObserve):
            for _ in range(100):
                taken += [one.take(), other.take()]
        assert len(taken) == len(set(taken)) > 90
        with pytest.raises(CannotObserve, match="no port from 19000 to 19099 is free"):
            other.take()
        one.close()
        assert other.take() in taken
    finally:
        one.close()
        other.close()
