"""What the MEM rules share: who is short of memory, whether a reload would do, and the stanza.

Not a rule itself.
"""

from collections.abc import Iterable

from mailauth.evidence import Trial, Trials, VerifyingProcess
from mailauth.finding import Certainty, Remedy
from mailauth.hashes import Memory, Verdict
from mailauth.memory import fit
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_MiB = 1024 * 1024
_GIVEN_BACK = 64 * 1024  # bytes: more is the trace of a verification


def has_verified(process: VerifyingProcess, memory: Memory) -> bool:
    """Its largest size shows that this process has held such a hash before."""
    return process.peak - process.size >= memory.blocks - fit.slack(memory)


def _by_a_page(trial: Trial, memory: Memory) -> bool:
    """Short by no more than what the process gave back as it started, which it may find again.

    Measured on 2.4.5 with a passwd-file: 8 KiB given back, and logins work with 8 KiB less than in the trial.
    """
    given_back = trial.process.peak - trial.process.size
    if trial.room is None or not 0 < given_back <= _GIVEN_BACK:
        return False
    return trial.room < fit.need_first(memory) <= trial.room + given_back


def short_of_memory(trials: Trials, memory: Memory) -> list[Trial]:
    """The trials of processes in which a login fails, each service once."""
    short: dict[str, Trial] = {}
    for trial in (trials.miss,) if trials.falls_back else trials.all:
        if _by_a_page(trial, memory):
            continue  # MEM003
        later = trial.later is Verdict.OUT_OF_MEMORY
        # A process that has verified before has its index array on the heap; a new one must map it.
        first = trial.first is Verdict.OUT_OF_MEMORY and not has_verified(trial.process, memory)
        if later or first:
            short.setdefault(trial.process.service, trial)
    return list(short.values())


def thin(trials: Trials, memory: Memory) -> list[Trial]:
    """The trials in which the hash fits, and with little to spare."""
    counting = (trials.miss,) if trials.falls_back else trials.all
    needed = fit.need_always(memory)
    return [one for one in counting if needed and one.room is not None and one.room < needed + fit.THIN]


def reload_suffices(process: VerifyingProcess, memory: Memory) -> bool:
    """The running limit is not the configured one, and the configured one is enough."""
    if not process.stale:
        return False
    free = fit.room(process.configured, process.size)
    return free is None or free >= fit.need_always(memory)


def certainty(trials: Iterable[Trial]) -> Certainty:
    """Proven where the process runs and was measured."""
    return Certainty.PROVEN if all(trial.process.pid for trial in trials) else Certainty.LIKELY


def raise_limits(processes: Iterable[VerifyingProcess], memory: Memory, file: str) -> Remedy:
    """The stanza for each service; the same words in both dialects, unlike "no limit"."""
    stanzas = []
    names = []
    for process in processes:
        limit = fit.safe_limit(process.size, memory) // _MiB
        stanzas.append(block("service", process.service, Setting("vsz_limit", f"{limit}M")))
        names.append(process.service)
    return remedy(
        summary=f"Give {' and '.join(names)} a vsz_limit in which the hash fits.",
        config=both(*stanzas),
        file=file,
        commands=(RELOAD,),
        careful="No limit is vsz_limit = 0 on 2.3 and unlimited on 2.4; neither accepts the other's value.",
    )
