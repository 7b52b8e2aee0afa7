"""The crypt(3) of the system on which that Dovecot runs: which algorithms it has.

Dovecot itself knows none of them (src/auth/mycrypt.c), and another root or container has another libcrypt
than ours.  The library is read, not loaded: it may want another libc than ours.
"""

from contextlib import suppress

from mailauth.dovecot import inroot
from mailauth.dovecot.doveadm import Installation
from mailauth.hashes import Hash
from mailauth.hashes.cryptforms import FORMS

_PLACES = (
    "/usr/lib/*/libcrypt.so.[12]",
    "/lib/*/libcrypt.so.[12]",
    "/usr/lib64/libcrypt.so.[12]",
    "/lib64/libcrypt.so.[12]",
    "/usr/lib/libcrypt.so.[12]",
)
_MUSL = "/lib/ld-musl-*.so.1"
# Source: crypt_r(), src/crypt/crypt_r.c of musl 1.2.5; bcrypt is Dovecot's own
_OF_MUSL = frozenset({"$1$", "$5$", "$6$", "_", "DES"})
_IN_ALL = frozenset({"_", "DES"})  # no prefix of theirs stands in a library
_MOST = 8 * 1024 * 1024


def lacks(dovecot: Installation, parsed: Hash) -> str:
    """Why that system's crypt(3) does not know the hash, as a sentence; "" where it does or is not found."""
    kind = dict(parsed.params).get("kind")
    form = next((one for one in FORMS if one.kind == kind), None)
    if form is None or form.kind in _IN_ALL:
        return ""
    with suppress(OSError):
        for pattern in _PLACES:
            for library in inroot.names(pattern, dovecot.path):
                if form.prefix in inroot.content(dovecot.path(library), _MOST):
                    return ""
                return f"{library.rpartition('/')[2]} of Dovecot's system has no {form.kind}" + (
                    f"; {form.since} and newer have it" if form.since else ""
                )
        if form.kind not in _OF_MUSL and inroot.names(_MUSL, dovecot.path):
            return f"musl's crypt(3) has no {form.kind}"
    return ""
