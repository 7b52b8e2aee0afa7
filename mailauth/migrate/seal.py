"""The password as Dovecot seals it before it leaves the auth process, and how it is opened here.

Dovecot encrypts it with AES-256-CBC while it expands a setting, so that neither its debug log, nor the
connection to our service, nor whoever takes our port ever has the password.

2.3 writes ``IV$ciphertext$`` in hex (%{encrypt;key=...:password}); 2.4 writes ``s=salt,r=rounds$ciphertext$``
(%{password | encrypt(key=...)}), where key and IV are made of the key by PBKDF2-HMAC-SHA256.

Source: Dovecot 2.3.19.1 src/plugins/var-expand-crypt/var-expand-crypt-plugin.c; 2.4.1
src/lib-var-expand-crypt/var-expand-crypt.c.
"""

import hashlib
import re
import secrets

from mailauth.hashes import Password

KEY_BYTES = 32
_IV_BYTES = 16
_MOST_ROUNDS = 1_000_000  # ours are made with 1: the key is random, not a password


def new_key() -> str:
    """A key, as both dialects want it: 64 hex digits."""
    return secrets.token_hex(KEY_BYTES)


def opened(sealed: str, key: str) -> Password | None:
    """The password; None for what was not sealed with this key, or was cut or changed on the way."""
    head, _, rest = sealed.partition("$")
    body, end, more = rest.partition("$")
    if not end or more:
        return None
    try:
        text = bytes.fromhex(body)
        material = _material(head, key)
    except ValueError:
        return None
    if material is None or not text or len(text) % _IV_BYTES:
        return None
    return _decrypted(text, *material)


def _material(head: str, key: str) -> tuple[bytes, bytes] | None:
    """Key and IV."""
    salted = re.fullmatch(r"s=(.+),r=(\d{1,7})", head)
    if salted is None:
        iv = bytes.fromhex(head)
        return (bytes.fromhex(key), iv) if len(iv) == _IV_BYTES else None
    rounds = int(salted[2])
    if not 1 <= rounds <= _MOST_ROUNDS:
        return None
    made = hashlib.pbkdf2_hmac("sha256", key.encode(), salted[1].encode(), rounds, KEY_BYTES + _IV_BYTES)
    return made[:KEY_BYTES], made[KEY_BYTES:]


def _decrypted(text: bytes, key: bytes, iv: bytes) -> Password | None:
    from cryptography.hazmat.primitives import padding  # noqa: PLC0415 - 30 ms that only the service pays
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    opener = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(algorithms.AES.block_size).unpadder()
    try:
        return Password(unpadder.update(opener.update(text) + opener.finalize()) + unpadder.finalize())
    except ValueError:
        return None
