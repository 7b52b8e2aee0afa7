"""2.4's values that stand elsewhere: ``</file``, ``$SET:name``, ``%{env:NAME}``; doveconf shows no more.

Source: CONFIG_LINE_TYPE_KEYFILE and KEYVARIABLE, Dovecot 2.4.1 src/config/config-parser.c;
src/lib-var-expand/expansion-program.c.  Measured on 2.4.1: of a file all counts, a line break at its end too.
"""

import errno
import re
from collections.abc import Callable
from pathlib import Path

from mailauth.dovecot import conf, environment, inroot
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen

_MOST = 1024 * 1024  # bytes of a file: no secret is larger
_SET = re.compile(r"\$SET:(\w+)")
_VARIABLE = re.compile(r"%\{([^}]*)\}|%%")
_ENV = re.compile(r"\s*env:(\w+)\s*(?:\|\s*default\(\s*(?:'([^']*)'|\"([^\"]*)\")?\s*\)\s*)?")


def value(text: str, name: str, tree: conf.Block, locate: Callable[[str], Path]) -> str:
    """What a setting comes to, once Dovecot has read it.  Raises CannotObserve, without the value."""
    if text.startswith("<") and not text.startswith("<<"):
        return _file(text[1:].strip(), name, locate)
    text = _SET.sub(lambda found: tree.get(found[1]), text)
    return _VARIABLE.sub(lambda found: _variable(found, name, tree), text)


def _variable(found: re.Match[str], name: str, tree: conf.Block) -> str:
    if found[0] == "%%":
        return "%"
    env = _ENV.fullmatch(found[1])
    if env is None:
        raise CannotObserve(f"{name} = {found[0]}: mailauth does not know this variable here.")
    return environment.value(env[1], tree) or env[2] or env[3] or ""


def _file(path: str, name: str, locate: Callable[[str], Path]) -> str:
    """A regular file, and not a large one: what is named here is not ours to wait for.

    Whoever owns another root, or a process, names it: so it is opened as ``inroot`` opens, with their rights.
    """
    try:
        data = inroot.content(locate(path), _MOST)
    except OSError as why:
        if why.errno == errno.EFBIG:
            raise CannotObserve(f"{path} ({name}): is too large to be a secret.") from None
        raise unseen(f"{path} ({name})", why) from None
    return data.decode("utf-8", "surrogateescape")
