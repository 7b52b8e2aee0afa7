"""Work in processes of their own: what becomes of it when one of them is ended."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from mailauth.hashes import batch


def test_a_pool_that_breaks_while_work_is_handed_in_loses_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the kernel ends a process between two answers: the next hand-in is refused."""
    handed_in = 0

    class Breaks(ThreadPoolExecutor):
        def submit(self, *what: Any, **more: Any) -> Future[Any]:
            nonlocal handed_in
            handed_in += 1
            if handed_in in (1, 2, 20):
                raise BrokenProcessPool
            return super().submit(*what, **more)

    monkeypatch.setattr(batch, "pool", Breaks)
    told = list(batch.in_order(str, range(1, 101), jobs=2, lost=lambda _: "lost"))
    assert told == [str(number) for number in range(1, 101)]
    assert handed_in > 103
