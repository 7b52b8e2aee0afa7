"""Ask Dovecot's userdb, as a login does after the password, and try the mail folder as the user's uid.

``doveadm user`` makes the same lookup as an IMAP login (auth-master's USER); it needs no password and
changes nothing.  Measured on 2.3.19.1 and 2.4.1: status 67 is an unknown user, 75 a failure.
"""

import grp
import os
import pickle
import pwd
import re
import stat
from pathlib import Path
from typing import cast

from mailauth.dovecot.conf import words
from mailauth.dovecot.doveadm import Installation, Ran
from mailauth.errors import AS_ROOT, CannotObserve
from mailauth.evidence import MailAccess, NotApplicable, UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.probes.scene import Scene
from mailauth.probes.walk import walk

_UNKNOWN, _SECONDS = 67, 10.0
_WITH_MAIL = frozenset({"imap", "pop3", "lmtp", "submission", "sieve"})
_IN_FOLDERS = frozenset({"maildir", "mbox", "sdbox", "mdbox", "dbox"})
_KEPT = 3  # path, uid and gid of the folder's mode, as text


def observe_userdb(scene: Scene) -> UserdbAnswer | NotApplicable:
    """The answer for the name that the passdb leaves.  Raises CannotObserve when doveadm cannot ask."""
    config = scene.config
    user, why_not = _user(scene)
    if why_not:
        return NotApplicable(UserdbAnswer, why_not)
    labels = tuple(userdb.label for userdb in config.userdbs)
    source = f"doveadm user {user}"
    # With the mail settings, in one run; what they make fail is told apart by a lookup without them.
    ran = _doveadm(scene, "--", user)
    values = dict(re.findall(r"^(\w+)\t(.*)$", ran.out, re.MULTILINE))
    folder = _folder(scene, values) if not ran.status else ""
    if ran.status and labels:
        said = UserdbSaid.UNKNOWN if ran.status == _UNKNOWN else UserdbSaid.FAILED
        if said is UserdbSaid.UNKNOWN and any(one.driver == "static" for one in config.userdbs):
            # It takes whoever has logged in; asked by others it asks the passdbs whether there is such a
            # user, who refuse what allow_nets and the like do.  Source: static_lookup(), Dovecot 2.3.19.1
            # and 2.4.1 src/auth/userdb-static.c.
            raise CannotObserve(
                f"doveadm user {user}: a static userdb asks the passdbs again, and they refuse the name"
                " without a login; only a real one shows what it answers: mailauth diagnose --login -p USER"
            )
        if said is UserdbSaid.FAILED:
            source = f"doveadm user -u {user}"
            ran = _doveadm(scene, "-u", "--", user)
        if ran.status:
            return UserdbAnswer(source, user, labels, said, _last(ran.out + ran.err))
        values = dict(re.findall(r"^ +(\w+) *: ?(.*?) *$", ran.out, re.MULTILINE))
    tree = config.tree
    home = values.get("home") or tree.get("mail_home")
    return UserdbAnswer(
        source=source,
        user=user,
        userdbs=labels,
        said=UserdbSaid.FOUND,
        uid=_number(scene.dovecot, values.get("uid") or tree.get("mail_uid"), "passwd"),
        gid=_number(scene.dovecot, values.get("gid") or tree.get("mail_gid"), "group"),
        home=home,
        folder=folder,
        lost="" if home else _lost(scene, values),
        lowest=(_setting(scene, "first_valid_uid", 500), _setting(scene, "first_valid_gid", 1)),
        highest=(_setting(scene, "last_valid_uid", 0), _setting(scene, "last_valid_gid", 0)),
    )


def _user(scene: Scene) -> tuple[str, str]:
    """The name that is looked up in the userdbs; or why none is."""
    config = scene.config
    if not _WITH_MAIL & set(config.protocols):
        return "", "no protocol of this Dovecot opens mail"
    if scene.road is None or not scene.cases:
        return "", "no passdb has the user"
    end = walk(scene.road, lambda _: True)
    if not end.lets_in:
        return "", "no passdb lets the user in"
    fields = {field for case in scene.cases for field in case.record.fields}
    fields |= {name for case in scene.cases for name, _ in case.passdb.override_fields}
    if fields & {"proxy", "proxy_maybe"}:
        return "", "the login goes on to another server (proxy)"
    if any(one.driver == "prefetch" for one in config.userdbs) and any(
        field.startswith("userdb_") for field in fields
    ):
        return "", "the passdb brings the userdb's fields along (prefetch)"
    return end.user, ""


def _doveadm(scene: Scene, *words: str) -> Ran:
    where = ("-x", f"rip={scene.address}") if scene.address else ()
    ran = scene.dovecot.run("doveadm", "user", *where, *words, timeout=_SECONDS)
    told = ran.out + ran.err
    if ran.status and any(word in told for word in ("connect(", "Permission denied", "isconnected")):
        how = f"; {AS_ROOT}" if os.geteuid() else ""
        raise CannotObserve(f"doveadm user {words[-1]}: auth was not asked: {_last(told)}{how}.")
    return ran


def _lost(scene: Scene, values: dict[str, str]) -> str:
    """What of the place of the mail needs a home; "" where it needs none."""
    tree = scene.config.tree
    if scene.config.version.dialect == "2.3":
        configured = values.get("mail") or tree.get("mail_location")
        needs = configured.partition(":")[2].partition(":")[0]
        name = "mail_location"
    else:
        configured = needs = values.get("mail_path") or tree.get("mail_path")
        name = "mail_path"
    if not configured:
        return f"{name}, which is not set"
    return configured if needs.startswith("~") or "%h" in needs or "%{home" in needs else ""


def observe_mail_access(scene: Scene, answer: UserdbAnswer) -> MailAccess | NotApplicable:
    """Walk to the mail folder as the user's uid, in a child, and write nothing."""
    uid, gid, mail = answer.uid, answer.gid, answer.folder
    if not uid or gid is None or not mail:
        return NotApplicable(MailAccess, "the userdb names no uid or no folder")
    if os.geteuid() not in (0, uid):
        raise CannotObserve(f"{mail}: only root can try it as uid {uid}; {AS_ROOT}.")
    tree = scene.config.tree
    names = [tree.get("mail_privileged_group"), *words(tree, "mail_access_groups")]
    numbers = {_number(scene.dovecot, name, "group") for name in names}
    groups = sorted(number for number in numbers if number is not None)

    def walked() -> tuple[bool, str, str, str]:
        return _as_user(mail, uid, gid, groups)

    exists, by, needs, mode = scene.dovecot.inside(walked)
    return MailAccess(f"{mail}, as uid {uid}", mail, uid, gid, exists, by, needs, mode)


def _folder(scene: Scene, found: dict[str, str]) -> str:
    """The mail folder with its variables put in; "" where the mail is in none."""
    if scene.config.version.dialect == "2.3":
        driver, _, rest = found.get("mail", "").partition(":")
        path = rest.partition(":")[0]
    else:
        driver = found.get("mail_driver") or scene.config.tree.get("mail_driver")
        path = found.get("mail_path", "")
    home = found.get("home", "")
    if path.startswith("~/") and home:
        path = f"{home}/{path[2:]}"
    return path if driver in _IN_FOLDERS and path.startswith("/") else ""


def _as_user(path: str, uid: int, gid: int, groups: list[int]) -> tuple[bool, str, str, str]:
    """``_walk`` in a child of that uid: the kernel's own answer, access lists and all."""
    if os.geteuid() != 0:
        return _walk(path)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        answer: object = None
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            answer = _walk(path)
        except BaseException:  # noqa: BLE001, S110 - nothing may escape from the child
            pass
        finally:
            with os.fdopen(writer, "wb") as stream:
                pickle.dump(answer, stream)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    answer = pickle.loads(data) if data else None  # noqa: S301 - our own child's
    if answer is None:
        raise CannotObserve(f"{path}: cannot be tried as uid {uid}.")
    return cast(tuple[bool, str, str, str], answer)


def _walk(path: str) -> tuple[bool, str, str, str]:
    """Whether the folder is there; the folder that stops us, what we may not do, and its mode."""
    last = Path("/")
    for place in [*reversed(Path(path).parents), Path(path)]:
        try:
            place.lstat()
        except FileNotFoundError:
            return False, *_may(last, os.W_OK | os.X_OK, "write")
        except PermissionError:
            return False, str(last), "enter", _shown(last)
        except OSError:
            return False, str(place), "enter", ""
        last = place
    return True, *_may(last, os.W_OK | os.X_OK | os.R_OK, "write")


def _may(folder: Path, mode: int, needs: str) -> tuple[str, str, str]:
    if os.access(folder, mode):
        return "", "", ""
    if not folder.is_dir():
        return str(folder), "enter", _shown(folder)
    return str(folder), needs, _shown(folder)


def _shown(folder: Path) -> str:
    state = folder.stat()
    return f"mode {stat.S_IMODE(state.st_mode):04o}, of {state.st_uid}:{state.st_gid}"


def _setting(scene: Scene, name: str, default: int) -> int:
    text = scene.config.tree.get(name).strip()
    return int(text) if text.isdigit() else default


def _number(dovecot: Installation, name: str, table: str) -> int | None:
    """A uid or gid, by number or by the name that Dovecot's system gives it."""
    if not name or name.isdigit():
        return int(name) if name else None
    if not dovecot.pid:
        try:
            return pwd.getpwnam(name).pw_uid if table == "passwd" else grp.getgrnam(name).gr_gid
        except KeyError:
            return None
    try:
        rows = dovecot.path(f"/etc/{table}").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found = (row.split(":") for row in rows)
    return next((int(row[2]) for row in found if row[0] == name and len(row) > _KEPT - 1), None)


def _last(text: str) -> str:
    """The last line that doveadm said."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("field\t")]
    return lines[-1] if lines else "doveadm says nothing"
