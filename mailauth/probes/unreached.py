"""A password that the passdbs refuse, and that one which is not asked would take."""

from contextlib import suppress

from mailauth import hashes
from mailauth.dovecot.authconfig import Passdb
from mailauth.errors import CannotObserve
from mailauth.evidence import NearName, PasswordCheck, PasswordElsewhere, Said
from mailauth.hashes import Hash, Verdict
from mailauth.hashes.interruptible import verify_hash
from mailauth.hashes.nature import parsed_by
from mailauth.memory.child import check_physical
from mailauth.probes.readers import reader_of
from mailauth.probes.scene import Scene
from mailauth.stores.store import Outcome

_SECONDS = 1.0  # a verification that takes longer is not tried


def observe_elsewhere(scene: Scene, check: PasswordCheck) -> PasswordElsewhere:
    """Ask the passdbs that this password does not reach."""
    assert scene.names
    steps = check.end.steps if check.end else ()
    reached = {step.number for step in steps if step.said is not Said.SKIPPED}
    found = []
    for passdb in scene.config.passdbs:
        if passdb.number in reached or passdb.deny or passdb.master or passdb.source is None:
            continue
        with suppress(CannotObserve):
            if place := _takes(scene, passdb):
                found.append(NearName(passdb.label, place, scene.names.looked_up))
    return PasswordElsewhere("the passdbs that are not asked", tuple(found))


def _takes(scene: Scene, passdb: Passdb) -> str:
    """Where the passdb has a hash of the password that was given; "" where it has none.

    Raises CannotObserve.
    """
    assert scene.names
    assert scene.road
    assert scene.password
    record = scene.road.ask(passdb, scene.names.looked_up, "").record
    if record.outcome is not Outcome.FOUND:
        return ""
    reader = reader_of(scene.config, passdb, noscheme=record.noscheme)
    parsed = parsed_by(reader, record.stored)
    if not isinstance(parsed, Hash) or parsed.scheme.seconds(parsed.params) > _SECONDS:
        return ""
    check_physical(hashes.hash_memory(parsed).total, "not tried")
    said = verify_hash(parsed, scene.password, user=scene.names.looked_up)
    return record.place if said.verdict is Verdict.MATCH else ""
