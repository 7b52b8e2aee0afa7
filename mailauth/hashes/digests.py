"""Digests that hashlib lacks or hides: MD4 (gone from OpenSSL 3), and the inner state of MD5.

MD4: RFC 1320. MD5: RFC 1321. Dovecot brings its own MD4 (2.3.19.1 src/lib/md4.c), so PLAIN-MD4
works there whatever OpenSSL says.
"""

import hashlib
import math
import struct

_U32 = 0xFFFF_FFFF
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_SINES = tuple(int(abs(math.sin(i + 1)) * 2**32) & _U32 for i in range(64))
_MD5_TURNS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_MD4_ROUNDS = (
    (0, (3, 7, 11, 19), (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)),
    (0x5A827999, (3, 5, 9, 13), (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
    (0x6ED9EBA1, (3, 9, 11, 15), (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)),
)


def _turn(value: int, by: int) -> int:
    value &= _U32
    return (value << by | value >> (32 - by)) & _U32


def md4(data: bytes) -> bytes:
    state = _START
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    for at in range(0, len(padded), 64):
        words = struct.unpack("<16I", padded[at : at + 64])
        a, b, c, d = state
        for number, (constant, turns, order) in enumerate(_MD4_ROUNDS):
            for step, word in enumerate(order):
                if number == 0:
                    mixed = (b & c) | (~b & d)
                elif number == 1:
                    mixed = (b & c) | (b & d) | (c & d)
                else:
                    mixed = b ^ c ^ d
                a = _turn(a + mixed + words[word] + constant, turns[step & 3])
                a, b, c, d = d, a, b, c
        state = tuple((old + new) & _U32 for old, new in zip(state, (a, b, c, d), strict=True))  # type: ignore[assignment]
    return struct.pack("<4I", *state)


def md5_state(block: bytes) -> bytes:
    """The state of MD5 after one block of 64 bytes, as CRAM-MD5 stores it."""
    words = struct.unpack("<16I", block)
    a, b, c, d = _START
    for i in range(64):
        if i < 16:
            mixed, word = (b & c) | (~b & d), i
        elif i < 32:
            mixed, word = (d & b) | (~d & c), (5 * i + 1) & 15
        elif i < 48:
            mixed, word = b ^ c ^ d, (3 * i + 5) & 15
        else:
            mixed, word = c ^ (b | (~d & _U32)), (7 * i) & 15
        turned = _turn(a + mixed + _SINES[i] + words[word], _MD5_TURNS[i // 16][i & 3])
        a, d, c, b = d, c, b, (b + turned) & _U32
    return struct.pack("<4I", *((old + new) & _U32 for old, new in zip(_START, (a, b, c, d), strict=True)))


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()
