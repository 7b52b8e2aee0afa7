"""The filters of 2.4's variables, each with Dovecot's own meaning.

``encrypt`` and ``decrypt`` are known, and not computed here: what they need is reported.

Source: Dovecot 2.4.1 and 2.4.4 src/lib-var-expand/expansion-filter.c, expansion-filter-if.c.
"""

import base64
import binascii
import re
from collections.abc import Callable

from mailauth.dovecot import comparing, digests
from mailauth.dovecot.choices_v24 import choose_if, choose_switch
from mailauth.dovecot.variables_v24 import (
    Filter,
    FilterCall,
    FilterError,
    State,
    any_of,
    bounded,
    number_of,
    plain,
    shown,
    text_of,
)
from mailauth.errors import CannotObserve

_MOST_PADDING = 256
_MOST_WIDTH = 64 * 1024  # of an older release, which takes any
_INTMAX = 2**63
_MOST_GROWN = 16 * 1024 * 1024  # bytes of what one step makes
_LIMITS_PADDING = (2, 4, 3)  # the first that refuses more
_TRUNCATES_SHORT = (2, 4, 3)  # the first that does not crash: buffer_set_used_size() beyond the end
SINCE = {"switch": (2, 4, 3), "safe": (2, 4, 1)}  # Debian's 2.4.1 has safe, which came with 2.4.3


def _simple(verb: str, work: Callable[[bytes], bytes], *, binary: bool = False) -> Filter:
    """A filter without arguments."""

    def run(step: FilterCall, state: State) -> None:
        plain(step, 0, 0)
        state.put(work(state.given(verb)), binary=binary)

    return run


def _lookup(step: FilterCall, state: State) -> None:
    (name,) = plain(step, 1, 1)
    state.value = None
    state.put(state.find(shown(text_of(name, state))))


def _literal(step: FilterCall, state: State) -> None:
    state.put(any_of(plain(step, 1, 99)[0], state))


def _default(step: FilterCall, state: State) -> None:
    if not state.value:
        arguments = plain(step, 0, 1)
        state.put(any_of(arguments[0], state) if arguments else b"")


def _concat(step: FilterCall, state: State) -> None:
    arguments = plain(step, 1, 99)
    state.put((state.value or b"") + b"".join(any_of(one, state) for one in arguments), binary=state.binary)


def _calculate(step: FilterCall, state: State) -> None:
    sign, right = step.arguments[0].value, number_of(step.arguments[1], state)
    given = state.given("calculate")
    if state.binary and sign == "%":
        if right <= 0:
            raise FilterError("Binary modulo must be positive integer")
        state.put(b"%d" % (int.from_bytes(given[-8:], "big") % right))
        return
    left = comparing.number(given)
    if left is None:
        raise FilterError("Input is not a number")
    if sign in "/%" and (right == 0 or (right < 0 and state.since >= _LIMITS_PADDING)):
        raise FilterError("Division by zero" if sign == "/" else "Modulo by zero")
    state.put(b"%d" % bounded(_CALCULATE[sign](left, right), _INTMAX))


def _quotient(left: int, right: int) -> int:
    """As C divides: towards zero."""
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


_CALCULATE: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _quotient,
    "%": lambda left, right: left - right * _quotient(left, right),
}


def _hash(algorithm: str = "") -> Filter:
    def run(step: FilterCall, state: State) -> None:
        name, arguments = algorithm, step.arguments
        if not name:
            if not arguments or arguments[0].key:
                raise FilterError("No algorithm as first parameter")
            name, arguments = shown(text_of(arguments[0], state)), arguments[1:]
        if name not in digests.NAMES:
            raise FilterError(f"Unsupported algorithm '{name}'")
        salt, rounds = b"", 1
        for one in arguments:
            if one.key == "rounds":
                rounds = number_of(one, state)
            elif one.key == "salt":
                salt = text_of(one, state)
            else:
                raise FilterError(
                    f"Unsupported key '{one.key}'" if one.key else "Too many positional parameters"
                )
        state.put(digests.digest(name, state.given("hash"), salt, rounds), binary=True)

    return run


def _options(step: FilterCall, state: State) -> tuple[bool, bool]:
    """Of base64: whether it is padded, and whether it is the alphabet for addresses."""
    pad, url = 1, 0
    for one in step.arguments:
        if one.key not in ("pad", "url"):
            raise FilterError(f"Unsupported key '{one.key}'" if one.key else "Too many positional parameters")
        value = number_of(one, state)
        if value not in (0, 1) and state.since < _TRUNCATES_SHORT:
            raise CannotObserve(f"{one.key}={value} in base64() crashes auth before Dovecot 2.4.3.")
        if value not in (0, 1):
            raise FilterError(f"'{value}' is not 0 or 1")
        pad, url = (value, url) if one.key == "pad" else (pad, value)
    return bool(pad), bool(url)


def _base64(step: FilterCall, state: State) -> None:
    pad, url = _options(step, state)
    given = state.given("base64")
    text = base64.urlsafe_b64encode(given) if url else base64.b64encode(given)
    state.put(text if pad else text.rstrip(b"="))


def _unbase64(step: FilterCall, state: State) -> None:
    _, url = _options(step, state)
    given = state.given("unbase64")
    if url:
        given = given.translate(bytes.maketrans(b"-_", b"+/"))
    text = re.match(rb"[A-Za-z0-9+/]*", given)
    assert text
    try:
        found = base64.b64decode(text[0] + b"=" * (-len(text[0]) % 4))
    except binascii.Error:
        found = b""
    state.put(found, binary=True)


def _hex(step: FilterCall, state: State) -> None:
    arguments = plain(step, 0, 1)
    width = number_of(arguments[0], state) if arguments else 0
    number = comparing.number(state.given("hex"))
    if number is None or number < 0:
        raise FilterError("Input is not a number")
    if abs(width) > _MOST_PADDING and state.since >= _LIMITS_PADDING:
        raise FilterError("Excessive padding")
    bounded(width, _MOST_WIDTH)
    text = b"%x" % number
    if width < 0:
        text = text.ljust(-width, b"0")[:-width]
    elif width > 0:
        text = text.rjust(width, b"0")[-width:]
    state.put(text)


def _unhex(given: bytes) -> bytes:
    if re.fullmatch(rb"[0-9a-fA-F]+", given) is None:
        raise FilterError("Input is not a hex number")
    return b"%d" % bounded(int(given, 16) if len(given) <= 16 else 2 * _INTMAX + 1, 2 * _INTMAX)


def _hexlify(step: FilterCall, state: State) -> None:
    width = number_of(step.arguments[0], state) if step.arguments else 0
    if width < 0:
        raise FilterError("Width must be positive")
    text = state.given("hexlify").hex().encode()
    if width - len(text) > _MOST_PADDING and state.since >= _LIMITS_PADDING:
        raise FilterError("Excessive padding")
    bounded(width, _MOST_WIDTH)
    state.put((text.rjust(width, b"0") if width > len(text) else text[:width]) if width else text)


def _unhexlify(given: bytes) -> bytes:
    try:
        return binascii.unhexlify(given)
    except binascii.Error:
        raise FilterError("Not a hex value") from None


def _truncate(step: FilterCall, state: State) -> None:
    size, bits = None, False
    for number, one in enumerate(step.arguments):
        if one.key not in ("", "bits") or (not one.key and number):
            raise FilterError(f"Unsupported key '{one.key}'" if one.key else "Too many positional parameters")
        size, bits = number_of(one, state), bits or one.key == "bits"
    if size is None or size < 0:
        raise FilterError("Missing parameters" if size is None else "Value of out of bounds")
    given = state.given("truncate")
    if bits:
        found = digests.cut_to_bits(given, size)
    else:
        if size > len(given) and state.since < _TRUNCATES_SHORT:
            raise CannotObserve(f"truncate({size}) of {len(given)} bytes crashes auth before Dovecot 2.4.3.")
        found = given[:size]
    state.put(found, binary=state.binary)


def _substr(step: FilterCall, state: State) -> None:
    arguments = plain(step, 1, 2)
    numbers = [number_of(one, state) for one in arguments]
    given = state.given("substring")
    size, at = len(given), numbers[0]
    length = numbers[1] if len(numbers) > 1 else size
    if not -size <= at <= size:
        raise FilterError("Offset out of bounds")
    if not -size <= length <= size:
        raise FilterError("Length out of bounds")
    if length:
        at += size if at < 0 else 0
        if len(numbers) == 1:
            length = size - at
        elif length < 0:
            length += size - at
        if length < 0 or at + length > size:
            raise FilterError("Length out of bounds")
    state.put(given[at : at + length] if length else b"", binary=state.binary)


def _regexp(step: FilterCall, state: State) -> None:
    pattern, new = (text_of(one, state) for one in plain(step, 2, 2))
    found = comparing.expression(pattern).search(state.given("regexp"))
    if found is None:
        return

    def group(mark: re.Match[bytes]) -> bytes:
        number = int(mark[1])
        if number > len(found.groups()) or found[number] is None:
            raise FilterError("Invalid capture group")
        return found[number]

    if re.search(rb"\\(?![0-9])", new):
        raise CannotObserve("mailauth does not read the replacement of this regexp() as Dovecot does.")
    bounded(len(new) * (1 + found.end() - found.start()), _MOST_GROWN)
    told = re.sub(rb"\\([0-9])", group, new)
    if state.since >= (2, 4, 2):  # PCRE2 there puts it into the text; POSIX's took the text's place
        given = state.given("regexp")
        told = given[: found.start()] + told + given[found.end() :]
    state.put(told)


def _bytes_to_number(order: str) -> Filter:
    def work(given: bytes) -> bytes:
        if len(given) not in (1, 2, 4, 8):
            raise FilterError(f"Cannot convert '{len(given)}' bytes to number")
        return b"%d" % int.from_bytes(given, "big" if order == "big" else "little")

    return _simple("convert to number", work)


def _part(given: bytes, separator: bytes, at: int) -> bytes:
    parts = given.split(separator)
    if not -len(parts) <= at < len(parts):
        raise FilterError("Position out of bounds")
    return parts[at]


def _index(step: FilterCall, state: State) -> None:
    arguments = plain(step, 1, 2)
    if len(arguments) == 1:
        raise FilterError("Missing index parameter")
    separator, at = text_of(arguments[0], state), number_of(arguments[1], state)
    if not separator:
        raise CannotObserve("index() with an empty separator does not end in some releases of Dovecot.")
    state.put(_part(state.given("index"), separator, at))


def _list(step: FilterCall, state: State) -> None:
    arguments = plain(step, 0, 1)
    separator = text_of(arguments[0], state) if arguments else b","
    given = state.given("generate list from")
    if b"\1" in given:
        raise CannotObserve("mailauth does not read a list with escaped parts.")
    bounded(len(separator) * (1 + given.count(b"\t")), _MOST_GROWN)
    state.put(separator.join(given.split(b"\t")))


def _fill(side: str) -> Filter:
    def run(step: FilterCall, state: State) -> None:
        arguments = plain(step, 1, 2)
        size = number_of(arguments[0], state)
        filler = text_of(arguments[1], state) if len(arguments) > 1 else b"0"
        if size < 1:
            raise FilterError("Fill length out of bounds")
        bounded(size, _MOST_WIDTH)
        value = state.given("fill")
        while filler and len(value) < size:
            value = filler + value if side == "left" else value + filler
        state.put(value, binary=state.binary)

    return run


def _safe(_step: FilterCall, state: State) -> None:
    state.safe = True


def _not_computed(_step: FilterCall, _state: State) -> None:
    raise CannotObserve("mailauth does not compute the filters encrypt and decrypt.")


_FILTERS: dict[str, Filter] = {
    "lookup": _lookup,
    "literal": _literal,
    "calculate": _calculate,
    "concat": _concat,
    "upper": _simple("upper", bytes.upper),
    "lower": _simple("lower", bytes.lower),
    "hash": _hash(),
    "md5": _hash("md5"),
    "sha1": _hash("sha1"),
    "sha256": _hash("sha256"),
    "sha384": _hash("sha384"),
    "sha512": _hash("sha512"),
    "base64": _base64,
    "unbase64": _unbase64,
    "hex": _hex,
    "unhex": _simple("unhex", _unhex),
    "hexlify": _hexlify,
    "unhexlify": _simple("unhexlify", _unhexlify, binary=True),
    "default": _default,
    "reverse": _simple("reverse", lambda given: given[::-1]),
    "truncate": _truncate,
    "substr": _substr,
    "ldap_dn": _simple("convert to ldap_dn", lambda given: given.replace(b".", b",dc=")),
    "if": choose_if,
    "regexp": _regexp,
    "lenumber": _bytes_to_number("little"),
    "benumber": _bytes_to_number("big"),
    "index": _index,
    "username": _simple("get username from", lambda given: given.partition(b"@")[0]),
    "domain": _simple("get domain from", lambda given: given.partition(b"@")[2]),
    "list": _list,
    "lfill": _fill("left"),
    "rfill": _fill("right"),
    "text": _simple("text", bytes),
    "encrypt": _not_computed,
    "decrypt": _not_computed,
    "switch": choose_switch,
    "safe": _safe,
}


def of(since: tuple[int, ...]) -> Callable[[str], Filter | None]:
    """The filters that this version has."""
    return lambda name: _FILTERS.get(name) if SINCE.get(name, ()) <= since else None
