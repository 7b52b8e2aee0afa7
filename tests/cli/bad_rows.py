"""A passwd-file of rows that no Dovecot can use: nine kinds of damage, each row with another string."""

import random
from pathlib import Path

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def bad_row(number: int, chance: random.Random) -> str:
    """A line of a passwd-file whose string is damaged: cut, escaped, mixed up, or of no kind at all."""
    text = "".join(chance.choices(_DIGITS, k=64))
    kinds = (
        f"{{ARGON2ID}}$argon2id$v=19$m=65536,t=3,p=1${text[:22]}${text[:30]}",
        f"{{BLF-CRYPT}}$2y$10${text[:40]}",
        f"{{SHA512-CRYPT}}$6${text[:16]}${text[:50]}",
        f"{{SSHA256}}{text[:43]}%3D",
        f"{{SSHA512}}&#36;{text}",
        f"{{PBKDF2}}$1${text[:16]}$5000${text[:20]}",
        f"{{NO-SUCH}}{text}",
        text[:47],
        f"{text[:10]}%24{text[10:30]}%24{text[30:]}",
    )
    return f"u{number}:{kinds[number % len(kinds)]}\n"


def write(path: Path, rows: int) -> None:
    chance = random.Random(13)  # noqa: S311 - the same rows each time
    with path.open("w") as file:
        file.writelines(bad_row(number, chance) for number in range(rows))
