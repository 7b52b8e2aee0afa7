"""Start here.  ``--help`` and ``--version`` are answered before Click is imported: they take 5 ms."""

import gc
import os
import sys

from mailauth.cli.commands import COMPLETING, help_text, version_text

# Objects between two looks for circles, until a command has imported what it needs: that stays, and looking
# through it took 8 % of a run.  shared/command.py sets what holds afterwards.
_ALLOCATIONS = 500_000


def main() -> None:
    """Run the command line; exit statuses are those of ``mailauth --help``."""
    _have_streams()
    words = sys.argv[1:]
    if COMPLETING in os.environ:
        words = [COMPLETING]  # a shell asks what may come next: it gives no words
    if words in (["--help"], ["-h"]):
        _tell(help_text())
        return
    if words == ["--version"]:
        _tell(version_text())
        return
    gc.set_threshold(_ALLOCATIONS)
    try:
        from mailauth.cli.main import run  # noqa: PLC0415 - Click takes four times as long as Python itself
    except KeyboardInterrupt:
        sys.stderr.write("mailauth: interrupted.\n")
        sys.exit(130)
    try:
        run()
    finally:
        gc.freeze()  # at its end Python would look through all that is left: a seventh of a run


def _tell(text: str) -> None:
    """As run() ends where nobody reads, or there is no room."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as why:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python would say it once more as it ends
        if isinstance(why, BrokenPipeError):
            sys.exit(1)
        sys.stderr.write(f"mailauth: this cannot be written ({why.strerror}).\n")
        sys.exit(3)


def _have_streams() -> None:
    """Where the caller closed one (``>&-``), /dev/null takes its number, which no file of ours may get."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            if getattr(sys, name) is None:
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
                setattr(sys, name, os.fdopen(number, mode))


if __name__ == "__main__":
    main()
