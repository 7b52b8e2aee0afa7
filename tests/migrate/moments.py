"""One moment at which something happens to a migration, whatever its verb, store and disturbance."""

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.migrate import beside
from tests.migrate.disturbances import Disk, Wire
from tests.migrate.disturbed import ADDING, Event, Work, of_a_tool, on_login
from tests.migrate.kills import Bench, Killed, Moment, words


def carried_out(found: Bench, event: Event) -> Killed:
    """Each moment has a state folder of its own."""
    killed = Killed(Moment(event.seed, event.version, event.driver, event.verb, event.what, event.share))
    with ExitStack() as stack:
        state = found.state
        found.state = Path(tempfile.mkdtemp(prefix="mailauth-moment"))
        stack.callback(setattr, found, "state", state)
        stack.callback(shutil.rmtree, found.state, ignore_errors=True)
        disk = Disk(found.state)
        stack.callback(disk.close)
        wire = None
        if event.what == "network cut" and found.server and event.verb != "on-login":
            wire = Wire(found.server.port)
            stack.callback(wire.close)
        found.words, found.wrote = words(), {}
        work = Work(found, event, killed, disk, wire)
        if event.verb == "on-login":
            return replace(on_login(work), moment=killed.moment)
        stack.callback(setattr, found, "before", found.before)
        if "default-scheme" in event.verb:
            found.before = beside.bare_users()
        found.lab.set_users(found.before)
        (beside.carried_out if event.verb in ADDING else of_a_tool)(work)
    return killed
