"""Which script a passdb of the driver lua is set to."""

from mailauth.dovecot import v24
from mailauth.dovecot.authconfig import Passdb
from mailauth.probes.scene import Scene

# Options of args, src/auth/passdb-lua.c of 2.3.19.1.
_OPTIONS = ("file=", "blocking=", "cache_key=", "scheme=")


def set_to(scene: Scene, passdb: Passdb) -> tuple[str, str]:
    """The script's file, and an option that Dovecot does not take."""
    block = scene.config.tree.all("passdb")[passdb.number - 1]
    if scene.config.version.dialect == "2.4":
        return v24.effective(scene.config.tree, block, "lua_file"), ""
    words = block.get("args").split()
    file = next((one.removeprefix("file=") for one in reversed(words) if one.startswith("file=")), "")
    wrong = (
        one for one in words if not one.startswith(_OPTIONS) or (one.startswith("blocking=") and _bad(one))
    )
    return file, next(wrong, "")


def _bad(option: str) -> bool:
    return option not in ("blocking=yes", "blocking=no")
