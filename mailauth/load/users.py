"""Who logs in: users with their passwords, and how many wrong ones are mixed in."""

import secrets
from collections.abc import Sequence
from typing import BinaryIO

from mailauth.errors import UsageError
from mailauth.hashes import Password
from mailauth.hashes.csv_rows import read_csv
from mailauth.records import dataclass

MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the right password."""

    user: str
    password: Password


def read_accounts(file: BinaryIO, name: str) -> tuple[Account, ...]:
    """Accounts of a CSV: user and password, or a first line that names the columns.

    Raises UsageError; no message holds what is in the file but a line's number.
    """
    found: list[Account] = []
    for row in read_csv(file):
        if row.password is None:
            raise UsageError(f"{name}: {row.error}.")
        if problem := _problem(row.user, row.password):
            raise UsageError(f"{name}: line {row.line}: {problem}.")
        if len(found) == MOST:
            raise UsageError(f"{name}: more than {MOST:,} users; give fewer.")
        found.append(Account(row.user, row.password))
    if not found:
        raise UsageError(f"{name}: has no users; write one user,password a line.")
    return tuple(found)


def _problem(user: str, password: Password) -> str:
    if not user or not password.raw:
        return "the user or the password is empty"
    if "\0" in user or b"\0" in password.raw:
        return "a NUL cannot be sent to Dovecot"
    if len(user.encode("utf-8", "surrogateescape")) + len(password.raw) > 4096:
        return "user and password are longer than Dovecot reads"
    return ""


class Mix:
    """The next request's account, in turn, and whether its password shall be wrong.

    ``wrong`` is a share from 0 to 1; the wrong ones are spread evenly.
    """

    def __init__(self, accounts: Sequence[Account], wrong: float) -> None:
        self.accounts = accounts
        self.wrong_password = Password(secrets.token_urlsafe(12).encode())
        self._share, self._sum, self._next = wrong, 0.0, 0

    def guess(self, number: int) -> Password:
        """A wrong password of its own for each number."""
        return Password(self.wrong_password.raw + b"%x" % number)

    def take(self) -> tuple[int, bool]:
        """The account's index, and whether to send the wrong password."""
        index = self._next
        self._next = index + 1 if index + 1 < len(self.accounts) else 0
        if not self._share:
            return index, False
        self._sum += self._share
        if self._sum >= 1 - 1e-9:
            self._sum -= 1
            return index, True
        return index, False
