"""Root reads and writes below HOME, TMPDIR and their like: never in a folder that another user can change.

sudo and su can keep them.  In HOME matplotlib writes its list of fonts through any link, Dask runs the
modules that its settings name, and the databases' clients take certificates and options.
"""

import os
import stat

# The folders that libraries look into, and the files that they take their settings from.
_NAMED = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR", "MATPLOTLIBRC", "DASK_CONFIG")
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")  # a lab's programs and configuration are there
_OTHERS = 0o022


def keep_own() -> None:
    """For root: HOME is its own where it was another user's, and such names of folders go."""
    if os.geteuid() != 0:
        return
    if (home := os.environ.get("HOME")) and not _is_ours(home):
        import pwd  # noqa: PLC0415 - seldom

        try:
            os.environ["HOME"] = pwd.getpwuid(0).pw_dir
        except KeyError:
            os.environ["HOME"] = "/root"
    for name in (*_NAMED, *_TEMPORARY):
        if (named := os.environ.get(name)) and not _is_ours(named):
            del os.environ[name]


def _is_ours(path: str) -> bool:
    """Whether only root can change what is there, or put something there; links on the way count as well."""
    try:
        states = [os.lstat(one) for one in _on_the_way(path)]
    except OSError:
        return False
    return all(state.st_uid == 0 and _closed(state.st_mode) for state in states)


def _closed(mode: int) -> bool:
    """In a sticky folder what is there stays; a link's own mode says nothing."""
    return stat.S_ISLNK(mode) or not mode & _OTHERS or bool(stat.S_ISDIR(mode) and mode & stat.S_ISVTX)


def _on_the_way(path: str) -> set[str]:
    """Each folder of the path as it is written and as it is without links, to the end."""
    found = {"/"}
    for name in (path, os.path.realpath(path)):
        if not name.startswith("/"):
            return {path, "."}
        found |= {name[:at] for at, letter in enumerate(name) if letter == "/" and at} | {name}
    return found
