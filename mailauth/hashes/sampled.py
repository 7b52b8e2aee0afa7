"""What a few known passwords say of all strings that have the same form.

A form leaves open what a string is (``bare``).  Where the password of a row is known, that row is decided
(``proved``); where several rows of a form were, and all are made in the same way, the others of that form are
taken to be so, too.  One that contradicts leaves the form open.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field

from mailauth.expressions import expression
from mailauth.hashes.bare import hexed, in_base64, is_des
from mailauth.hashes.foreign_found import Found, no, yes
from mailauth.hashes.hash import Password
from mailauth.hashes.proved import Proof, Way, alike, prove
from mailauth.records import dataclass

ENOUGH = 3
"""Rows of a form whose passwords have to agree before the others of that form are taken to be alike."""

_SOURCE = "a sample of known passwords"
_ITSELF = "a password as it is"
_NOTHING = "nothing that was tried"


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the sampled rows of one form came to.  ``way``: of all rows of the form; None: it stays open."""

    form: str
    rows: int
    what: dict[str, int]  # and of how many rows
    way: Way | None = None

    @property
    def decided(self) -> bool:
        """Whether it is known what all rows of the form are, also where Dovecot has no such hash."""
        return self.rows >= ENOUGH and len(self.what) == 1 and not {_ITSELF, _NOTHING} & set(self.what)

    @property
    def says(self) -> str:
        """One line."""
        found = ", ".join(f"{what} ({count} of {self.rows})" for what, count in self.what.items())
        if self.way:
            return f"{self.form}: {found}; all of that form are taken for it"
        if self.decided:
            return f"{self.form}: {found}; Dovecot has no such hash, so they are left"
        why = (
            f"{ENOUGH} rows that agree would decide" if len(self.what) == 1 else "they contradict each other"
        )
        if set(self.what) <= {_ITSELF, _NOTHING}:
            why = "no hash was proved"
        return f"{self.form}: {found}; the others of that form are left: {why}"


@dataclass(frozen=True, slots=True)
class Proofs:
    """``rows``: strings that were proved one by one, with Dovecot's form; it is a secret.

    ``plain``: strings that are the password of their user.  ``forms``: how all of a form are made.
    """

    rows: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    plain: frozenset[bytes] = field(default=frozenset(), repr=False)
    forms: Mapping[str, Way] = field(default_factory=dict)
    sampled: tuple[Sampled, ...] = ()

    def reading(self, stored: bytes) -> Found | None:
        """Dovecot's form; None where the sample says nothing of such a string."""
        if found := self.rows.get(stored):
            return yes(_SOURCE, found)
        if stored in self.plain or not self.forms:
            return None
        way = self.forms.get(form_of(stored))
        if way is None:
            return None
        made = alike(stored, way)
        return (
            no(_SOURCE, "it does not have the form of those that were proved")
            if made is None
            else yes(_SOURCE, made)
        )


def form_of(text: bytes) -> str:
    """What two strings have in common that may be the same thing; "" where the form says nothing."""
    if text[:1] in (b"{", b"$", b"*", b"!"):
        return ""
    if hexed(text):
        return f"{len(text)} hex digits"
    if is_des(text):
        return "13 characters of crypt(3)"
    if found := _PARTED.fullmatch(text):
        return " and ".join(f"{len(one)} hex digits" if hexed(one) else "a salt" for one in found.groups())
    if raw := in_base64(text):
        return f"base64 of {len(raw)} bytes"
    if found := _SALT_FIRST.fullmatch(text):
        return f"a salt of {len(text) - len(found[1])} characters before {len(found[1])} hex digits"
    return ""


_PARTED = expression(rb"([^:$|]{1,128})[:$|]([^:$|]{1,128})")
_SALT_FIRST = expression(rb".{1,32}?([0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})", re.DOTALL)


def of_sample(sample: Iterable[tuple[str, bytes, Password]]) -> Proofs:
    """``sample``: users, what is stored for them, and their passwords."""
    rows: dict[bytes, bytes] = {}
    plain: set[bytes] = set()
    found: defaultdict[str, list[Proof]] = defaultdict(list)
    for user, stored, password in sample:
        if stored[:1] in (b"{", b"$"):
            continue
        proof = _proof(stored, password, user)
        if proof.dovecot is not None:
            rows[stored] = proof.dovecot
        if proof.what == _ITSELF:
            plain.add(stored)
        if form := form_of(stored):
            found[form].append(proof)
    sampled = tuple(_sampled(form, proofs) for form, proofs in sorted(found.items()))
    forms = {one.form: one.way for one in sampled if one.way}
    return Proofs(rows, frozenset(plain), forms, sampled)


def _proof(stored: bytes, password: Password, user: str) -> Proof:
    if stored == password.text:
        return Proof(_ITSELF)
    return prove(stored, password, user) or Proof(_NOTHING)


def _sampled(form: str, proofs: list[Proof]) -> Sampled:
    what = Counter(proof.what for proof in proofs)
    ways = {proof.way for proof in proofs}
    way = ways.pop() if len(ways) == 1 and len(what) == 1 and len(proofs) >= ENOUGH else None
    return Sampled(form, len(proofs), dict(what.most_common()), way)
