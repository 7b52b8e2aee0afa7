"""Take a stored hash from an argument, standard input, a descriptor, or bare parameters."""

import sys

from mailauth import digits, hashes
from mailauth.cli.shared.secrets import read_line
from mailauth.dovecot.sizes import parse_size
from mailauth.errors import UsageError
from mailauth.hashes import Flaw, Hash
from mailauth.hashes.encoding import base64_encode


def take_hash(
    stored: str | None,
    *,
    stdin: bool,
    descriptor: int | None,
    memory: str | None,
    time: int | None,
    lanes: int | None,
) -> Hash:
    """The hash, by whichever way it was given.  Raises UsageError unless by exactly one."""
    bare = memory is not None or time is not None or lanes is not None
    if sum((stored is not None, stdin, descriptor is not None, bare)) != 1:
        raise UsageError(
            "give a stored HASH, --stdin, --fd or --memory (with --time and --lanes), one of them."
        )
    if bare:
        return with_parameters(memory, time or 1, lanes or 1)
    if stored is not None:
        return understood(stored.encode(errors="surrogateescape"))
    where = (sys.stdin.fileno(), "--stdin") if descriptor is None else (descriptor, f"--fd {descriptor}")
    return understood(read_line(*where))


def understood(stored: bytes) -> Hash:
    """A stored string that can match.  Raises UsageError with the reason why not."""
    text = stored.strip()
    if text.startswith(b"$argon2"):
        text = b"{ARGON2ID}" + text
    parsed = hashes.parse(text)
    if isinstance(parsed, Flaw):
        raise UsageError(f"this stored string can never match: {parsed.reason.rstrip('.?!')}.")
    return parsed


def with_parameters(memory: str | None, time: int, lanes: int) -> Hash:
    """An Argon2id hash of these parameters, of no password."""
    if memory is None:
        raise UsageError("--time and --lanes need --memory, in KiB as in m=65536, or as 64M.")
    kib = digits.number(memory) or parse_size(memory) // 1024
    salt, tag = (base64_encode(bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    parsed = hashes.parse(f"{{ARGON2ID}}$argon2id$v=19$m={kib},t={time},p={lanes}${salt}${tag}")
    if isinstance(parsed, Flaw):
        raise UsageError(
            f"no Argon2 hash has memory={kib} KiB, time={time}, lanes={lanes}: {parsed.reason.rstrip('.?!')}."
        )
    return parsed
