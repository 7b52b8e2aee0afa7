"""What docs/upstream/ says of Dovecot, shown once more on each Dovecot that is here.

    python -m bench.upstream [--write] [--only NAME ...] [--dovecot VERSION ...]

No time is taken but lines a second of one log.  bench/results/upstream.json
"""

import argparse
import json
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.errors import CannotObserve
from mailauth.lab import Lab, builds
from mailauth.lab.stores.ldap import LdapStore
from tests.lab.test_stores import hashed
from tests.proofs.ldap_words import serving
from tests.proofs.story import SECRET, MiB, argon2id
from tests.proofs.test_ldap import edited
from tests.proofs.test_log006 import Proxy, behind, floods, lines

RESULT = Path(__file__).parent / "results" / "upstream.json"
VERSIONS = ("2.3.13", "2.3.19.1", "2.3.21.1", "2.4.1", "2.4.5")
STORES = ("passwd-file", "sqlite", "mysql", "pgsql")
_WATCHED = 3.0  # seconds
_TEXT = "SELECT userid AS user, password\nFROM users\nWHERE userid = '%{user}'"

Found = dict[str, Any]


def out_of_memory(version: str) -> Found:
    """A right password whose hash has no room, and a wrong one: each one's own words in the log."""
    with Lab(version, "passwd-file", {"alice": argon2id(memory=64 * MiB)}) as lab:
        lab.configure("service auth {\n  vsz_limit = 64M\n}\n")
        lab.reload()
        right = _words(lab, SECRET)
        lab.configure("")
        lab.reload()
        assert lab.login("alice", SECRET).ok
        wrong = _words(lab, b"another")
    return {"no memory": right, "wrong password": wrong, "same": right == wrong}


def errno_of_libsodium(version: str) -> Found:
    """What crypto_pwhash_str_verify returns, and leaves in errno, in a child of ours."""
    build = builds.available(version)
    assert build
    root = build.root or Path("/")
    library = next(iter(sorted(root.glob("usr/lib/*/libsodium.so.2?"))), None)
    if library is None:
        return {"libsodium": "not here"}
    hashed = argon2id(memory=64 * MiB).partition("}")[2]
    words = [sys.executable, "-c", _ERRNO, str(library), hashed, SECRET.decode()]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


_ERRNO = """
import ctypes, errno, json, resource, sys
library, hashed, password = sys.argv[1:]
sodium = ctypes.CDLL(library, use_errno=True)
sodium.sodium_version_string.restype = ctypes.c_char_p
sodium.sodium_init()
def verified(text):
    ctypes.set_errno(0)
    status = sodium.crypto_pwhash_str_verify(hashed.encode(), text, ctypes.c_ulonglong(len(text)))
    number = ctypes.get_errno()
    return f"{status}, {errno.errorcode.get(number, number)}"
told = {"libsodium": sodium.sodium_version_string().decode()}
told["right password"] = verified(password.encode())
told["wrong password"] = verified(b"another")
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 48 * 2**20, resource.RLIM_INFINITY))
told["right password, no memory"] = verified(password.encode())
print(json.dumps(told))
"""


def _words(lab: Lab, password: bytes) -> str:
    """What auth says of a login that fails, without what differs from one to the next."""
    before = len(lab.log())
    assert not lab.login("alice", password).ok
    end = time.monotonic() + 30
    while "mismatch" not in (text := lab.log()[before:]).lower() and time.monotonic() < end:
        time.sleep(0.05)
    return next(
        (
            line.rpartition(": ")[2]
            for line in text.splitlines()
            if "alice" in line and "mismatch" in line.lower()
        ),
        "no line",
    )


def which_service(version: str) -> Found:
    """By driver: the service whose vsz_limit makes the login fail, where the other one has room."""
    found = {}
    for store in STORES:
        with Lab(version, store, {"alice": argon2id(memory=64 * MiB)}) as lab:
            fails = []
            for service in ("auth", "auth-worker"):
                lab.configure(f"service {service} {{\n  vsz_limit = 64M\n}}\n")
                lab.reload()
                fails += [] if lab.login("alice", SECRET).ok else [service]
            found[store] = " and ".join(fails)
    return found


def reconnects(version: str) -> Found:
    """Lines a second while the LDAP port takes connections and closes them, and one login waits."""
    proxy = Proxy(0)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        with Lab(version, "ldap-bind", {"alice": hashed(SECRET)}) as lab:
            to_proxy, _ = behind(lab, proxy)
            to_proxy()
            floods(lab)
            began, before = time.monotonic(), lines(lab)
            time.sleep(_WATCHED)
            return {"lines a second": round((lines(lab) - before) / (time.monotonic() - began))}
    finally:
        proxy.door.close()


def attribute_twice(version: str) -> Found:
    """A directory that sends one attribute twice in an entry: what auth says as it ends."""
    with Lab(version, "ldap-bind", {}) as lab:
        assert isinstance(lab.store, LdapStore)
        with serving({"alice": (0, "")}) as words, edited(lab, f":{lab.store.place.port}", f":{words.port}"):
            assert lab.login("alice", SECRET).ok
            words.times = 2
            with suppress(CannotObserve):
                lab.login("alice", SECRET)
            lab.logs("Panic: ", 20.0)
        said = [line for line in lab.log().splitlines() if "Panic: " in line]
        return {"panic": said[0].partition("Panic: ")[2] if said else "none"}


def here_documents(version: str) -> Found:
    """Whether what doveconf prints, -n and -n -P, is read again where it is the file."""
    with Lab(version, "sqlite", {"alice": argon2id(memory=MiB)}) as lab:
        text = lab.config.read_text()
        begin = text.find("query = ")
        if begin < 0:
            return {"here-document": "no such syntax"}
        end = text.index("\n", begin)
        lab.config.write_text(f"{text[:begin]}query = <<SQL\n{_TEXT}\nSQL{text[end:]}")
        printed = {" ".join(one): lab.run("doveconf", *one) for one in (("-n",), ("-n", "-P"))}
        if any(one.returncode for one in printed.values()):
            return {"here-document": "no such syntax"}
        lab.reload()
        assert lab.login("alice", SECRET).ok
        found = {}
        for options, one in printed.items():
            lab.config.write_text(one.stdout)
            again = lab.run("doveconf", "-n")
            said = again.stderr.replace(str(lab.folder), "DIR").strip().splitlines()
            found[f"doveconf {options}"] = "read back" if not again.returncode else said[-1]
        return found


SHOWN: dict[str, Callable[[str], Found]] = {
    "out of memory": out_of_memory,
    "errno of libsodium": errno_of_libsodium,
    "which service verifies": which_service,
    "LDAP reconnects": reconnects,
    "attribute twice": attribute_twice,
    "here-documents": here_documents,
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("--write", action="store_true", help="Keep the result in bench/results.")
    words.add_argument("--only", nargs="+", choices=list(SHOWN), default=list(SHOWN))
    words.add_argument("--dovecot", nargs="+", default=list(VERSIONS))
    given = words.parse_args()
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {"found": {}}
    for name in given.only:
        for version in given.dovecot:
            if builds.available(version) is None:
                print(f"{name}, {version}: not here", flush=True)
                continue
            try:
                found = SHOWN[name](version)
            except CannotObserve as why:
                found = {"not seen": str(why)}
            print(f"{name}, {version}: {json.dumps(found)}", flush=True)
            kept["found"].setdefault(name, {})[version] = found
    if given.write:
        kept["when"] = f"{datetime.now(UTC):%Y-%m-%d}"
        kept["machine"] = f"{platform.machine()}, Linux {platform.release()}"
        RESULT.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
