"""Run a test in a process of its own: libldap reads its settings of TLS once in a process, and keeps them."""

import functools
import os
import traceback
from collections.abc import Callable
from typing import ParamSpec

_P = ParamSpec("_P")


def apart(test: Callable[_P, None]) -> Callable[_P, None]:
    """The same test in a forked child; whatever it raises there fails it here."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(reader)
                test(*args, **kwargs)
                os.write(writer, b"done")
            except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
                with os.fdopen(writer, "w") as told:
                    told.write(traceback.format_exc())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as told:
            said = told.read()
        os.waitpid(child, 0)
        assert said == "done", said or "the child died"

    return run
