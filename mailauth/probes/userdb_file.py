"""A userdb passwd-file without a file: static's arguments or fields stand in it, nothing, or a wrong path."""

import stat

from mailauth.dovecot.authconfig import FileSource
from mailauth.probes.scene import Scene

_OWN = frozenset({"username_format", "scheme"})  # 2.3's passwd-file takes these before the path


def fileless(scene: Scene) -> tuple[str, str]:
    """Which one, and what to write; both "" where each has its file.

    2.3 takes the rest of args as the path, 2.4 an unset passwd_file_path as "" (measured: 2.3.19.1 logs
    "Path is outside 'uid=...'" or "missing passwd file", 2.4.1 "missing passwd file: ").
    """
    config = scene.config
    blocks = list(config.tree.all("userdb"))
    for userdb in config.userdbs:
        path = userdb.source.path if isinstance(userdb.source, FileSource) else ""
        if userdb.driver != "passwd-file":
            continue
        if path.startswith("/"):
            if "%" not in path and _absent(scene, path):
                return f"{userdb.label} reads {path}, which does not exist, or is not a file", _PUT
            continue
        args = blocks[userdb.number - 1].get("args") if userdb.number <= len(blocks) else ""
        names = [one.partition("=")[0] for one in args.split() if "=" in one and one[0] != "/"]
        if foreign := [one for one in names if one not in _OWN]:
            has = f"static's arguments ({', '.join(foreign)})"
            says = f"{userdb.label} has {has} where the path of a file belongs"
            return says, "Write driver = static in that userdb, which takes these arguments; or name a file."
        if not path:
            setting = "args" if config.version.dialect == "2.3" else "passwd_file_path"
            return f"{userdb.label} names no file: {setting} is not set", (
                f"Name the file by {setting}; or where none is meant, write the driver static with the fields"
                " uid, gid and home."
            )
    return "", ""


_PUT = "Put the file there, or name the right one and reload; doveconf -n shows where it is set."


def _absent(scene: Scene, path: str) -> bool:
    """What cannot be looked at is not said to be absent."""
    try:
        return not stat.S_ISREG(scene.dovecot.state(scene.dovecot.path(path)).st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return False
