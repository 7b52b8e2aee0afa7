"""What limits memory besides vsz_limit: the control group, the unit, overcommit, the machine.

Source: Linux Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst, mm/overcommit-accounting.rst.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailauth import digits
from mailauth.memory.fitting import Ceiling

_ROOT = Path("/")
_NO_LIMIT = 1 << 60  # cgroup v1 writes 2^63 less a page for none


def observe_ceilings(pid: int, master: int, root: Path = _ROOT) -> tuple[Ceiling, ...]:
    """Every ceiling over process ``pid``, whose master is ``master``; what is not there is no ceiling.

    ``root`` holds proc and sys, for tests.
    """
    found: list[Ceiling] = []
    if group := _tightest(_cgroups(pid, root)):
        found.append(group)
    found += _unit(master, root)
    meminfo = _meminfo(root)
    if (_text(root / "proc/sys/vm/overcommit_memory") or "0").strip() == "2":
        limit, used = meminfo.get("CommitLimit", 0), meminfo.get("Committed_AS", 0)
        source = "/proc/meminfo CommitLimit, Committed_AS"
        found.append(
            Ceiling("the commit limit (vm.overcommit_memory = 2)", source, limit, limit - used, each=False)
        )
    if total := meminfo.get("MemTotal"):
        found.append(
            Ceiling(
                "the machine's memory",
                "/proc/meminfo MemTotal, MemAvailable",
                total,
                meminfo.get("MemAvailable", total),
                each=False,
            )
        )
    return tuple(found)


def _tightest(groups: Iterator[Ceiling]) -> Ceiling | None:
    return min(groups, key=lambda one: one.free, default=None)


def _cgroups(pid: int, root: Path) -> Iterator[Ceiling]:
    """The limits of the process's memory control group and of all above it, v1 and v2."""
    for line in (_text(root / f"proc/{pid}/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            mounts: tuple[str, ...] = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
            names = ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            mounts = ("sys/fs/cgroup/memory",)
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        for mount in mounts:
            inner = Path(path.lstrip("/"))
            for folder in (inner, *inner.parents):
                yield from _group(root, Path(mount) / folder, names)


def _group(root: Path, folder: Path, names: tuple[str, str, str]) -> Iterator[Ceiling]:
    limit_name, used_name, cache_name = names
    text = (_text(root / folder / limit_name) or "max").strip()
    limit = digits.number(text)
    if limit is None or limit >= _NO_LIMIT:
        return
    used = digits.number((_text(root / folder / used_name) or "0").strip()) or 0
    # File pages that nobody uses now are given back before the limit bites.
    cache = re.search(rf"^{cache_name} ([0-9]+)", _text(root / folder / "memory.stat") or "", re.MULTILINE)
    free = limit - used + (int(cache[1]) if cache else 0)
    yield Ceiling("the control group", f"/{folder / limit_name}", limit, min(free, limit), each=False)


def _unit(master: int, root: Path) -> Iterator[Ceiling]:
    """The hard limits that Dovecot's master was started with (LimitAS=, LimitDATA= of its unit)."""
    text = _text(root / f"proc/{master}/limits") or ""
    for name, what in (("Max address space", "LimitAS"), ("Max data size", "LimitDATA")):
        found = re.search(rf"^{name}\s+\S+\s+([0-9]+)", text, re.MULTILINE)
        if found:
            limit = int(found[1])
            yield Ceiling(
                f"the hard limit of Dovecot's master ({what}= of its unit)",
                f"/proc/{master}/limits",
                limit,
                limit,
                each=True,
            )


def _meminfo(root: Path) -> dict[str, int]:
    rows = re.findall(r"^(\w+):\s+([0-9]+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return {name: int(size) * 1024 for name, size in rows}


def _text(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text()
    return None
