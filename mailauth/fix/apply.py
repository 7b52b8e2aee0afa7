"""Apply a plan, step by step, each of which can be taken back; and take all back when one goes wrong.

The journal is on disk before the first step, and a signal is heard between steps.  So a fix that fails,
or is interrupted, leaves everything as it was; one that is killed is taken back by ``undo``.
"""

import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import field, replace

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Looked, Target, look
from mailauth.dovecot import holding
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_config, read_or_refusal
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.evidence import Logins, Unobserved
from mailauth.finding import Bears, Diagnosis, Finding, Severity, Trait
from mailauth.fix import journal as journals
from mailauth.fix import modes
from mailauth.fix.entry import find, new_string
from mailauth.fix.guard import Guard, Interrupted
from mailauth.fix.journal import FileEntry, FixState, Journal, ModeEntry, StoreEntry
from mailauth.fix.plan import OF_FILES, Plan, can_go_back, make
from mailauth.fix.ready import Ready, check_use
from mailauth.fix.reload import reload, runs
from mailauth.fix.takeback import NOT_RELOADED, UndoStep, dovecot_of, modes_of, put, take_back
from mailauth.hashes import Password
from mailauth.looking import options
from mailauth.probes.log_place import observe_log_destination
from mailauth.probes.scene import Scene
from mailauth.records import dataclass
from mailauth.remedies import RELOAD, REOPEN, Words
from mailauth.rules import RULES

_COMMAND_SECONDS = 60.0
_LOG_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended.  ``problem``: why it was rolled back, or ""."""

    id: str
    state: FixState
    steps: tuple[UndoStep, ...]
    problem: str = ""
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()  # what was done and cannot be taken back

    @property
    def clean(self) -> bool:
        return all(step.ok for step in self.steps)


def plan_for(code: str, target: Target) -> Ready:
    """Look, and plan what mends the finding ``code``.

    Raises UsageError when it is not found now, CannotObserve when whether it is could not be seen.
    """
    looked = _look(target)
    found = [one for one in looked.diagnosis.findings if one.rule.code == code]
    if not found:
        lacking = next((one for one in looked.diagnosis.undecided if one.rule.code == code), None)
        if lacking:
            raise CannotObserve(f"whether {code} is the case could not be seen: {lacking.missing.reason}")
        if any(Trait.OF_UPGRADE in rule.traits for rule in RULES if rule.code == code):
            raise UsageError(
                f"{code} is about another version of Dovecot, and the one that runs would refuse its lines:"
                " mailauth checkup --as-if VERSION prints them; paste them when you upgrade."
            )
        if down := next((one for one in looked.diagnosis.findings if one.rule.bears is Bears.START), None):
            raise CannotObserve(f"whether {code} is the case could not be seen: {down.problem.says}")
        others = ", ".join(dict.fromkeys(one.rule.code for one in looked.diagnosis.findings)) or "nothing"
        whom = f" for {target.user!r}" if target.user else ""
        raise UsageError(f"{code} is not found now{whom} (found: {others}); there is nothing to fix.")
    return planned(found, looked, target)


def _look(target: Target) -> Looked:
    """Without a user: what can be found without one."""
    return look(target) if target.user else look_at_all(Checkup(target.dovecot))


def planned(found: list[Finding], looked: Looked, target: Target) -> Ready:
    """A plan for these findings, with the entry in the store that they speak of."""
    plan = make(found, looked.config, target.dovecot)
    entry = find(looked, target, found) if plan.store else None
    return Ready(plan, looked, target, entry, forbidden=entry.forbidden() if entry else "")


def with_string(ready: Ready, password: Password | None) -> Ready:
    """The same with the new stored string, made now.  Raises UsageError when the password is needed."""
    if ready.entry is None or ready.plan.store is None:
        return ready
    new = new_string(ready.entry, ready.plan.store, ready.looked, password)
    if new == ready.entry.old:
        raise Refused(f"{ready.entry.place}: the stored string is as it should be; nothing to change.")
    return replace(ready, new=new)


def apply(ready: Ready, *, verify: bool = True, tell: Callable[[str], None] = lambda _: None) -> Ending:
    """Do it.  Raises Refused before anything is done where it cannot begin.

    ``tell`` is called with each step as it begins: some take seconds.
    ``verify``: diagnose again, and log in where the target has a password; not of use where several
    faults are mended at once.
    """
    check_use(ready)
    _need_rights(ready)
    with journals.alone():
        if left := journals.killed():
            raise Refused(f"an earlier fix was killed in the middle; run: mailauth fix --undo {left.id}")
        work = _Work(ready, _journal(ready), verify, tell)
        with Guard() as guard:
            return work.run(guard)


def undo(name: str, dovecot: Installation | None = None) -> Ending:
    """Take a fix back.  Raises UsageError when there is none of that name, Refused when it was taken back."""
    with journals.alone():
        journal = journals.read(name)
        if journal.state not in (FixState.APPLYING, FixState.APPLIED):
            raise Refused(f"{name} was {journal.state.value} already.")
        dovecot = dovecot or dovecot_of(journal)
        with Guard() as guard:
            guard.finish()
            steps = take_back(journal, dovecot)
            if not any(step.again for step in steps):
                journal = journals.finished(journal, FixState.UNDONE)
            return Ending(name, journal.state, tuple(steps), stays=journal.stays)


def _journal(ready: Ready) -> Journal:
    plan, entry, dovecot = ready.plan, ready.entry, ready.target.dovecot
    return Journal(
        id=journals.fresh_id(plan.code),
        code=plan.code,
        user=ready.target.user,
        service=ready.target.service,
        config=dovecot.config or ready.looked.config.file,
        pid=dovecot.pid,
        mark=holding.mark(dovecot.pid) if dovecot.pid else "",
        state=FixState.APPLYING,
        files=tuple(FileEntry(change.path, change.before, change.after) for change in plan.files),
        modes=tuple(_modes(plan, dovecot)),
        store=StoreEntry(entry.passdb.label, entry.place, entry.old, ready.new) if entry else None,
        reloads=plan.reloads,
        stays=ready.lasting,
    )


def _modes(plan: Plan, dovecot: Installation) -> Iterator[ModeEntry]:
    """What is written again is another file than before, so which one it was says nothing."""
    written = {change.path for change in plan.files}
    for words in plan.commands:
        for mode in modes_of(words, dovecot):
            yield replace(mode, device=0, inode=0) if mode.path in written else mode


def _need_rights(ready: Ready) -> None:
    """An ordinary user is refused at once, with what is missing.  Raises UsageError."""
    us = os.geteuid()
    if us == 0:
        return
    for change in ready.plan.files:
        path = ready.target.dovecot.path(change.path)
        if not os.access(path.parent, os.W_OK) or (path.exists() and path.stat().st_uid != us):
            raise UsageError(
                f"mailauth fix --apply must be run as root here: it writes {change.path} and reloads Dovecot."
            )


@dataclass
class _Work:
    """A fix while it is applied."""

    ready: Ready
    journal: Journal
    verify: bool
    tell: Callable[[str], None]
    steps: list[UndoStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)

    def run(self, guard: Guard) -> Ending:
        begun, interrupted, problem = False, False, ""
        try:
            with guard.held():
                journals.write(self.journal)
                begun = True
            self._do(guard)
            guard.finish()
            journals.finished(self.journal, FixState.APPLIED)
            return self._ending(FixState.APPLIED)
        except Interrupted:
            interrupted, problem = True, "interrupted"
        except (Refused, CannotObserve, UsageError) as why:
            if not begun:  # what could not be taken back is not done
                raise
            problem = str(why)
        except BaseException:
            guard.finish()
            self._roll_back()
            raise
        guard.finish()
        return self._ending(self._roll_back(), problem, interrupted)

    def _ending(self, state: FixState, problem: str = "", interrupted: bool = False) -> Ending:
        said = tuple(self.steps), problem, interrupted, tuple(self.notes), tuple(self.stays)
        return Ending(self.journal.id, state, *said)

    def _roll_back(self) -> FixState:
        self.tell("take it back")
        back = take_back(self.journal, self.ready.target.dovecot)
        self.steps += [replace(step, what=f"back: {step.what}") for step in back]
        if any(step.again for step in back):
            return FixState.APPLYING  # to be tried again with --undo
        try:
            journals.finished(self.journal, FixState.ROLLED_BACK)
        except Refused as why:
            self.notes.append(f"{why} All is as it was; --undo {self.journal.id} will find that, too.")
        return FixState.ROLLED_BACK

    def _do(self, guard: Guard) -> None:
        plan, target, config = self.ready.plan, self.ready.target, self.ready.looked.config
        for change in plan.files:
            with self._step(f"write {change.path}"), guard.held():
                put(target.dovecot, change.path, change.before, change.after, config.file)
        if plan.files:
            with self._step("doveconf -n accepts it"):
                self._validate()
        if self.ready.entry and self.ready.new is not None:
            entry = self.ready.entry
            with self._step(f"change {entry.place}"), guard.held():
                self.notes += entry.write(entry.old, self.ready.new).notes
        for command in plan.commands:
            # In another root it is a child of ours that does it, and would go on after an interruption.
            whole = guard.held() if command[0] in OF_FILES else nullcontext()
            if command == RELOAD and self._is_down():
                continue
            with self._step(shlex.join(command)), whole:
                self._command(command)
        self._settle()
        if self.verify:
            with self._step("diagnose again" + (" and log in" if target.password else "")):
                self._verify()

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        self.tell(what)
        try:
            yield
        except (Refused, CannotObserve, UsageError) as why:
            self.steps.append(UndoStep(what, ok=False, said=str(why)))
            raise
        except Interrupted:
            self.steps.append(UndoStep(what, ok=False, said="interrupted"))
            raise
        self.steps.append(UndoStep(what, ok=True))

    def _validate(self) -> None:
        ran = self.ready.target.dovecot.run("doveconf", "-n")
        if ran.status:
            said = next(
                (line for line in ran.err.splitlines() if "Fatal" in line or "Error" in line), ran.err
            )
            raise Refused(f"Dovecot does not accept it: {said.removeprefix('doveconf: ').strip()}")
        again = read_or_refusal(self.ready.target.dovecot)  # a doveconf that is lenient is not the last word
        if isinstance(again, Refusal):
            raise Refused(f"Dovecot does not accept it: {again.place}: {again.words}")

    def _is_down(self) -> bool:
        """There is nothing to reload, and that is no reload that went well."""
        dovecot = self.ready.target.dovecot
        try:
            if runs(dovecot, read_config(dovecot)):
                return False
        except (CannotObserve, UsageError):
            return False  # the step says so
        self.steps.append(UndoStep(NOT_RELOADED, ok=True, said="Dovecot does not run; start it"))
        self.notes.append("Dovecot does not run, so nothing was reloaded or tested; start it.")
        self.verify = False
        return True

    def _command(self, command: Words) -> None:
        dovecot = self.ready.target.dovecot
        if command == RELOAD:
            reload(dovecot, read_config(dovecot))  # as it is now: what there was before may have been refused
            return
        if not can_go_back(command):
            self.stays.append(shlex.join(command))
        if modes.is_one(command):
            modes.change(dovecot, command)
            return
        if command[0] in ("doveadm", "doveconf"):
            ran = dovecot.run(*command)
            status, said = ran.status, ran.err
        else:
            ran = dovecot.execute(command, timeout=_COMMAND_SECONDS)
            status, said = ran.status, ran.err
        if status:
            raise Refused(
                f"{shlex.join(command)}: ended with status {status}: {said.strip().partition(chr(10))[0]}"
            )
        if command == REOPEN:
            self._await_log()

    def _await_log(self) -> None:
        """The log process hears of it from the master, after doveadm has ended."""
        scene = Scene(self.ready.target.dovecot, self.ready.looked.config)
        until = time.monotonic() + _LOG_SECONDS
        with suppress(CannotObserve):  # the diagnosis afterwards says so
            while getattr(observe_log_destination(scene), "writes_to", "") and time.monotonic() < until:
                time.sleep(0.01)

    def _settle(self) -> None:
        """A changed entry counts once the auth cache has forgotten the old one and the file is read again."""
        entry, dovecot, config = self.ready.entry, self.ready.target.dovecot, self.ready.looked.config
        if entry is None or self.ready.new is None:
            return
        if config.cache_size:
            with self._step("doveadm auth cache flush"):
                ran = dovecot.run("doveadm", "auth", "cache", "flush", "--", entry.names.looked_up)
                if ran.status:
                    raise Refused(f"the auth cache was not flushed: {ran.err.strip()}")
        if entry.passdb.driver == "passwd-file":
            time.sleep(1.1)  # Dovecot looks at it once a second: src/auth/db-passwd-file.c

    def _verify(self) -> None:
        target, before = self.ready.target, self.ready.looked.diagnosis
        target = replace(target, login=target.password is not None)
        after = _look(target).diagnosis
        codes = self.ready.plan.code.split()
        for code in codes:
            if _count(after, code) and _count(after, code) >= _count(before, code):
                still = next(one for one in after.findings if one.rule.code == code)
                raise Refused(f"{code} is still found afterwards: {_sentence(still)}")
        # What could not be seen before is not new.
        known = {one.rule.code for one in before.findings} | {one.rule.code for one in before.undecided}
        blocking = [one for one in after.findings if one.severity is Severity.BLOCKS_LOGIN]
        fresh = [f"{one.rule.code}: {_sentence(one)}" for one in blocking if one.rule.code not in known]
        failed = _failed(after)
        if fresh and failed != "":
            raise Refused(f"this is found afterwards, and was not before: {' '.join(fresh)}")
        left = ", ".join(dict.fromkeys(one.rule.code for one in blocking))
        if failed and (not left or _failed(before) == ""):
            raise Refused(f"the login test failed: {failed}.")
        if left:
            words = ["mailauth", "fix", blocking[0].rule.code, *([target.user] if target.user else [])]
            again = shlex.join([*words, *options(target.dovecot)])
            self.notes.append(f"still found: {left}; fix it next: {again}")
        elif target.user and target.password is None:
            self.notes.append("nothing found blocks the login any more; none was tried: -p has one made.")
        self.notes += [
            f"{one.rule.code} could not be decided." for one in after.undecided if one.rule.code in codes
        ]


def _sentence(found: Finding) -> str:
    return f"{found.problem.says.rstrip('.')}."


def _count(diagnosis: Diagnosis, code: str) -> int:
    return sum(finding.rule.code == code for finding in diagnosis.findings)


def _failed(diagnosis: Diagnosis) -> str | None:
    """The ways of logging in that failed, or why none could be tried; "" when none did, None for no test."""
    for fact in diagnosis.evidence:
        if isinstance(fact, Logins):
            return ", ".join(reply.way for reply in fact.replies if not reply.ok)
        if isinstance(fact, Unobserved) and fact.kind is Logins:
            return fact.reason.rstrip(".")
    return None
