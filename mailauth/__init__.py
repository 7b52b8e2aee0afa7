"""mailauth finds out why a Dovecot login fails, and proves it.

As a library:

>>> from mailauth import parse, verify, generate, diagnose

The names are loaded when they are first used, so that importing the package costs nothing.
"""

TYPE_CHECKING = False  # as typing has it, without the 5 ms that typing takes
if TYPE_CHECKING:
    from mailauth.diagnose import Target, diagnose
    from mailauth.hashes import Password, Verdict, generate, parse, verify

__all__ = ["Password", "Target", "Verdict", "diagnose", "generate", "parse", "verify"]

_HOME = {
    "Password": "mailauth.hashes",
    "Target": "mailauth.diagnose",
    "Verdict": "mailauth.hashes",
    "diagnose": "mailauth.diagnose",
    "generate": "mailauth.hashes",
    "parse": "mailauth.hashes",
    "verify": "mailauth.hashes",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'mailauth' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only for who uses the library

    return getattr(importlib.import_module(_HOME[name]), name)
