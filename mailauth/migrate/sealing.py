"""Journals sealed to a key: X25519 and XSalsa20-Poly1305, libsodium's sealed boxes.

The private half is needed for an undo only, and is kept elsewhere.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mailauth import handed
from mailauth.errors import UsageError
from mailauth.later import later

if TYPE_CHECKING:
    import nacl.exceptions
    import nacl.public
else:
    nacl = later("nacl")


class NotSealedToUs(Exception):  # noqa: N818 - a state of the file, not a fault
    """A frame that this key does not open, or that is damaged."""


def new_key(path: Path) -> str:
    """Make a key pair; the private half goes into ``path``, for its owner only.  Returns the public one."""
    key = nacl.public.PrivateKey.generate()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: exists already; a key is never overwritten.") from None
    except OSError as why:
        raise UsageError(f"{path}: cannot be written ({why.strerror}).") from None
    with os.fdopen(handle, "w") as file:
        file.write(bytes(key).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return bytes(key.public_key).hex()


def checked_key(text: str) -> str:
    """A public key, in hex.  Raises UsageError."""
    try:
        if len(bytes.fromhex(text)) == 32:
            return text.lower()
    except ValueError:
        pass
    raise UsageError(
        f"{text!r} is no key; mailauth migrate keygen FILE makes one and prints its public half."
    )


def sealed(frame: bytes, public: str) -> bytes:
    return bytes(nacl.public.SealedBox(nacl.public.PublicKey(bytes.fromhex(public))).encrypt(frame))


def opener(private: Path, public: str) -> Callable[[bytes], bytes]:
    """What opens a frame, or raises NotSealedToUs.  Raises UsageError where it is another key, or none."""
    try:
        key = nacl.public.PrivateKey(bytes.fromhex(handed.text(private).strip()))
    except OSError as why:
        raise UsageError(f"{private}: cannot be read ({why.strerror}).") from None
    except (ValueError, TypeError):
        raise UsageError(f"{private}: is not a private key of mailauth migrate keygen.") from None
    if bytes(key.public_key).hex() != public:
        raise UsageError(f"{private}: is another key than the one that this journal is sealed to.")

    def opened(frame: bytes) -> bytes:
        try:
            return bytes(nacl.public.SealedBox(key).decrypt(frame))
        except nacl.exceptions.CryptoError:
            raise NotSealedToUs from None

    return opened
