"""``if`` and ``switch`` in 2.4's variables.

Source: Dovecot 2.4.1 and 2.4.3 src/lib-var-expand/expansion-filter-if.c.
"""

from mailauth.dovecot import comparing
from mailauth.dovecot.variables_v24 import (
    Argument,
    FilterCall,
    FilterError,
    State,
    any_of,
    number_of,
    plain,
    shown,
    text_of,
)


def _compared(state: State, left: Argument | bytes, sign: str, right: Argument) -> bool:
    """Raises FilterError."""
    if sign in comparing.NUMBERS:
        one = comparing.number(left) if isinstance(left, bytes) else number_of(left, state)
        if one is None:
            raise FilterError("Input is not a number")
        return comparing.NUMBERS[sign](one, number_of(right, state))
    first = left if isinstance(left, bytes) else text_of(left, state)
    return comparing.texts(sign, first, text_of(right, state))


def _opened(step: FilterCall, state: State) -> tuple[Argument | bytes, str, tuple[Argument, ...]]:
    """What is compared, how, and the arguments after that."""
    arguments = plain(step, 0, 99)
    left: Argument | bytes
    if state.value is None:
        if not arguments:
            raise FilterError("Missing parameters")
        left, arguments = arguments[0], arguments[1:]
    else:
        left = state.value
    if not arguments:
        raise FilterError("Missing parameters")
    sign = shown(text_of(arguments[0], state))
    return left, sign, arguments[1:]


def _known(sign: str) -> str:
    if sign not in comparing.OPERATORS:
        raise FilterError(f"Unsupported comparator '{sign}'", always=True)
    return sign


_OF_IF = 3  # what is compared with, then, else


def choose_if(step: FilterCall, state: State) -> None:
    left, sign, rest = _opened(step, state)
    if len(rest) != _OF_IF:
        raise FilterError("Missing parameters" if len(rest) < _OF_IF else "Too many positional parameters")
    chosen = rest[1] if _compared(state, left, _known(sign), rest[0]) else rest[2]
    state.put(any_of(chosen, state))


def choose_switch(step: FilterCall, state: State) -> None:
    left, sign, rest = _opened(step, state)
    pairs = [(rest[i], rest[i + 1]) for i in range(0, len(rest) - 1, 2)]
    if not pairs:
        raise FilterError("At least one condition-value pair is required")
    chosen = next((value for case, value in pairs if _compared(state, left, _known(sign), case)), None)
    if chosen is None and len(rest) % 2:
        chosen = rest[-1]
    if chosen is None:
        raise FilterError("No default value provided")
    state.put(any_of(chosen, state))
