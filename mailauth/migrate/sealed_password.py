"""The password as Dovecot seals it before it leaves the auth process, and how it is opened here.

Dovecot encrypts it with AES-256-CBC while it expands a setting, so that neither its debug log, nor the
connection to our service, nor whoever takes our port ever has the password.

2.3 writes ``IV$ciphertext$`` in hex (%{encrypt;key=...:password}); 2.4 writes ``s=salt,r=rounds$ciphertext$``
(%{password | encrypt(key=...)}), where key and IV are made of the key by PBKDF2-HMAC-SHA256.  Neither can
give out the tag of an authenticated mode.  So the MAC is what both make of user and password under a secret
nonce, %{hashed_password}, which binds the ciphertext to its user as well.

Source: Dovecot 2.3.19.1 src/plugins/var-expand-crypt/var-expand-crypt-plugin.c; 2.4.1
src/lib-var-expand-crypt/var-expand-crypt.c; both src/auth/auth-policy.c (auth_policy_create_json).
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import field
from typing import TYPE_CHECKING

from mailauth.hashes import Password
from mailauth.later import later
from mailauth.records import dataclass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import ciphers
else:
    ciphers = later("cryptography.hazmat.primitives.ciphers")

KEY_BYTES = 32
MAC_BYTES = 32
_BLOCK = 16
_MOST = 4096  # bytes; Dovecot takes no password as long
_MAC = re.compile(r"[0-9a-f]{64}")
# 2.4's salt is of printable characters without "$" and ","; the rounds are those of our setting.
_FORM = re.compile(r"(?:(?P<iv>[0-9a-f]{32})|s=(?P<salt>[!-~]{1,64}),r=1)\$(?P<text>(?:[0-9a-f]{2})+)\$")


def new_key() -> str:
    """A key, as both dialects want it: 64 hex digits."""
    return secrets.token_hex(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed, taken apart.  Nothing in it is believed yet."""

    head: bytes = field(repr=False)  # IV of 2.3, salt of 2.4
    salted: bool
    text: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    @property
    def mark(self) -> bytes:
        """The same for the same ciphertext, however it is written: Dovecot never makes one twice."""
        return hashlib.sha256(self.head + b"$" + self.text).digest()[:16]


def parsed(sealed: str, mac: str) -> Sealed | None:
    """None for what is not of the form that our settings make Dovecot write."""
    found = _FORM.fullmatch(sealed)
    if found is None or not _MAC.fullmatch(mac):
        return None
    text = bytes.fromhex(found["text"])
    if not text or len(text) % _BLOCK or len(text) > _MOST:
        return None
    salted = found["salt"] is not None
    head = found["salt"].encode() if salted else bytes.fromhex(found["iv"])
    return Sealed(head, salted, text, bytes.fromhex(mac))


def opened(sealed: Sealed, user: str, key: str, nonce: str) -> Password | None:
    """The password; None for what our Dovecot did not seal for this user with this key and nonce.

    Each length of padding is tried, well formed or not, and a MAC made for each: what is forged costs the
    same whatever the bytes come to, so that neither time nor answer tells anything about them.
    """
    plain = _decrypted(sealed, key)
    name = user.encode("utf-8", "surrogateescape") + b"\0"
    right = 0
    for length in range(1, _BLOCK + 1):
        padded = hmac.compare_digest(plain[-length:], bytes([length]) * length)
        same = hmac.compare_digest(_mac(nonce, name, plain[:-length]), sealed.mac)
        right += length * (padded & same)
    return Password(plain[:-right]) if right else None


def _mac(nonce: str, name: bytes, password: bytes) -> bytes:
    """Dovecot's %{hashed_password} under our settings: SHA-512, cut to 256 bits against an extension."""
    return hashlib.sha512(nonce.encode() + name + password).digest()[:MAC_BYTES]


def _decrypted(sealed: Sealed, key: str) -> bytes:
    """With its padding."""
    raw, iv = bytes.fromhex(key), sealed.head
    if sealed.salted:
        made = hashlib.pbkdf2_hmac("sha256", key.encode(), sealed.head, 1, KEY_BYTES + _BLOCK)
        raw, iv = made[:KEY_BYTES], made[KEY_BYTES:]
    opener = ciphers.Cipher(ciphers.algorithms.AES(raw), ciphers.modes.CBC(iv)).decryptor()
    return opener.update(sealed.text) + opener.finalize()
