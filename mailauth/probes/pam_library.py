"""Where PAM's modules are, and who of them verifies."""

from mailauth.dovecot import inroot
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve

_PLACES = (
    *("/lib/*/security", "/usr/lib/*/security", "/lib/security", "/lib64/security"),
    *("/usr/lib/security", "/usr/lib64/security"),
)
_MOST = 16 * 1024 * 1024  # bytes of a module
HELPER = "unix_chkpwd"


def folders(dovecot: Installation) -> list[str]:
    return [name for pattern in _PLACES for name in inroot.names(pattern, dovecot.path)]


def helper(dovecot: Installation) -> str:
    """The program that pam_unix has verify; "" where it does so itself, in the worker.

    It does where it reads /etc/shadow itself: modules/pam_unix/passverify.c, get_account_info(), of Linux-PAM
    1.5.2 and 1.7.2.  Measured: the pam_unix.so of Debian 11 and 12 imports pam_modutil_getspnam, and a hash
    has to fit into the worker; that of Debian 13 does not, and one fits that the worker has no room for.
    """
    for folder in folders(dovecot):
        try:
            content = inroot.content(dovecot.path(f"{folder}/pam_unix.so"), _MOST)
        except OSError:
            continue
        return "" if b"getspnam" in content else HELPER
    return ""


def is_smaller(helper: str, service: str) -> CannotObserve:
    """Why it cannot be said whether a hash fits that does not fit into the service's own process."""
    return CannotObserve(
        f"pam_unix has {helper} verify, which has the limit of {service} and is smaller: whether the hash"
        " fits into it is not known; a real login shows what comes of it."
    )
