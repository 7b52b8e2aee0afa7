"""Put a setting of the kernel's back when the process that changed it is gone, however it ended.

Run as a script by ``huge_pages`` (``python -I -S huge_guard.py FILE NOW BACK SECONDS``), standard library
only.  It waits until its standard input is closed, which the kernel does for a process that is killed, or for
SECONDS; then, where FILE still is what the process set it to (NOW), it writes BACK.  No signal that can be
ignored ends it before, and it is in a session of its own, so that Ctrl-C on a terminal does not reach it.
"""

import os
import re
import select
import signal
import sys


def chosen(file: str) -> str:
    """Of "always [madvise] never" the word in brackets; "" where it cannot be read."""
    try:
        with open(file, encoding="ascii") as text:  # noqa: PTH123 - pathlib takes 10 ms
            found = re.search(r"\[(\w+)\]", text.read())
    except OSError:
        return ""
    return found[1] if found else ""


def main() -> None:
    file, now, back, seconds = sys.argv[1:]
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(kind, signal.SIG_IGN)
    os.write(1, b"ready\n")
    select.select([0], [], [], float(seconds))  # nothing is ever written: it is closed, or the time is up
    if chosen(file) == now:
        with open(file, "w", encoding="ascii") as text:  # noqa: PTH123
            text.write(back)


if __name__ == "__main__":
    main()
