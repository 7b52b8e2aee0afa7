"""An attack as text."""

from collections.abc import Iterator

from mailauth.load.result import Attack, AttackStep
from mailauth.load.tally import WRONG_LET_IN
from mailauth.render.load_words import ms, rate_text, reasons_text

_STEPS = 40
_BUSY = 0.7  # of a core


def attack_lines(attack: Attack) -> Iterator[str]:
    """What the server stood, against which defences, and each rate that was tried."""
    yield f"  ATTACK  {_verdict(attack)}"
    if attack.alone and not attack.found:
        yield "  The search was not finished: the limit is between these rates, or above."
    if attack.bound:
        yield f"  The attack could not grow: {attack.bound}."
    if attack.generator > _BUSY:
        yield f"  The generator took {attack.generator:.0%} of a core: this may be its limit, not Dovecot's."
    if let_in := sum(step.wrong.failed.get(WRONG_LET_IN, 0) for step in attack.steps):
        yield f"  {let_in} WRONG PASSWORDS WERE LET IN."
    yield f"  from       {_addresses(attack)}"
    if attack.defences:
        yield "  defences   " + "; ".join(f"{one.setting}: {one.value}" for one in attack.defences)
    yield ""
    yield f"  {'wrong':>9}  {'sent':>9}  {'logins':>6}  {'p50':>8}  {'p95':>8}  {'longest':>8}"
    yield from (_step(step) for step in attack.steps[-_STEPS:])


def _verdict(attack: Attack) -> str:
    limit = f"{attack.limit:g} s"
    if not attack.alone:
        return f"not measured: without an attack, not every right login was answered within {limit}."
    if not attack.rate and not attack.above:
        return "not measured: no rate of wrong passwords was tried to the end."
    if not attack.rate:
        at = rate_text(attack.above)
        return f"at {at} of wrong passwords {_failing(attack)}; no lower rate that was tried held."
    held = f"up to {rate_text(attack.rate)} of wrong passwords every right login was answered within {limit}"
    if attack.above:
        return f"{held}; at {rate_text(attack.above)} {_failing(attack)}."
    return f"{held}; nothing higher was tried."


def _failing(attack: Attack) -> str:
    """What went wrong at the lowest rate that was not held."""
    steps = [one for one in attack.steps if not one.held and attack.above and _near(one.rate, attack.above)]
    return steps[-1].why if steps else "one did not"


def _near(one: float, other: float) -> bool:
    return abs(one - other) < 0.001


def _addresses(attack: Attack) -> str:
    if not attack.addresses:
        return "this machine's address, and right logins with them"
    many = f"{attack.addresses} address{'es' if attack.addresses > 1 else ''}"
    return f"{many}, {'and right logins with them' if attack.same_address else 'right logins from others'}"


def _step(step: AttackStep) -> str:
    one = step.latency
    spread = f"{ms(one.p50):>8}  {ms(one.p95):>8}  {ms(one.most):>8}"
    told = "holds" if step.held else step.why
    if others := reasons_text(step.wrong):
        told += f"; attackers: {others}"
    return f"  {rate_text(step.rate):>9}  {rate_text(step.sent):>9}  {step.right.sent:>6}  {spread}  {told}"
