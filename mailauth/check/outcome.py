"""What a check answers: a status, a sentence, numbers.  Pure."""

from collections.abc import Iterable
from dataclasses import field
from enum import Enum

from mailauth.errors import MailauthError
from mailauth.finding import Finding, Severity
from mailauth.records import dataclass


class Status(Enum):
    """As the Monitoring Plugins guidelines have them; ``number`` is the plugin's exit status."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"  # only: we may not look, or were asked wrongly; a broken server is CRITICAL

    @property
    def number(self) -> int:
        return list(Status).index(self)


_BY_WEIGHT = (Status.OK, Status.UNKNOWN, Status.WARNING, Status.CRITICAL)
OF_SEVERITY = {
    Severity.BLOCKS_LOGIN: Status.CRITICAL,
    Severity.RISK: Status.WARNING,
    Severity.NOTE: Status.OK,
}


def worst(statuses: Iterable[Status]) -> Status:
    """CRITICAL before WARNING before UNKNOWN: what we may not see hides nothing that we do see."""
    return max(statuses, key=_BY_WEIGHT.index, default=Status.OK)


@dataclass(frozen=True, slots=True)
class MetricKind:
    """What a number is: its help, its unit in perfdata (s, B, c or none); whether it only grows."""

    help: str
    unit: str = ""
    counts: bool = False


# Prometheus' names without the "mailauth_" before them.
KINDS: dict[str, MetricKind] = {
    "server_greeting_seconds": MetricKind("How long auth took to greet.", "s"),
    "certificate_seconds": MetricKind("How long the certificate that expires first is still valid.", "s"),
    "canary_up": MetricKind("Whether the canary's login worked by this way."),
    "canary_seconds": MetricKind("How long the canary's login took by this way.", "s"),
    "headroom_bytes": MetricKind(
        "What the verifying process may grow by beyond the largest stored hash.", "B"
    ),
    "vsz_limit_bytes": MetricKind("The live address space limit of the verifying process.", "B"),
    "rows": MetricKind("Rows of the store, by what this Dovecot makes of them."),
    "rows_broken": MetricKind("Rows that this Dovecot refuses, or that never match."),
    "survey_age_seconds": MetricKind("How old the count of the store's rows is.", "s"),
    "auth_workers": MetricKind("auth-worker processes that run."),
    "auth_workers_busy": MetricKind("auth-worker processes that compute."),
    "auth_workers_limit": MetricKind("auth-worker processes that may run."),
    "log_troubles": MetricKind("What Dovecot's log says of queues, limits, crashes and no answer, lately."),
    "auth_failures": MetricKind(
        "Failed logins in the log, by reason, since counting began.", "c", counts=True
    ),
    "auth_failures_per_minute": MetricKind("Failed logins in a minute, over the window."),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One number.  ``name`` is one of KINDS; ``perf`` is perfdata's label, "" where it is not told there.

    ``warning`` and ``critical`` are ranges as plugins write them: "10" is up to 10, "10:" is 10 or more.
    """

    name: str
    value: float
    perf: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    warning: str = ""
    critical: str = ""
    most: str = ""


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing that a check found, or found to be well; ``code`` is the rule's that judges so.

    ``unseen``: what could not be looked at, where it says that ("passdb 1 (pam)", "the log").
    """

    status: Status
    text: str
    code: str = ""
    unseen: str = ""

    @property
    def shown(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check's answer.  ``says`` is one line; ``said`` is all, the worst first; seconds."""

    check: str
    status: Status
    says: str
    said: list[CheckLine] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All that was asked.  ``at``: seconds since 1970, when it began."""

    status: Status
    dovecot: str  # "" where it could not be asked
    at: float
    outcomes: list[Outcome]


def outcome(check: str, said: Iterable[CheckLine], metrics: Iterable[Metric] = ()) -> Outcome:
    """The worst decides, and is shown; what was said twice, once."""
    ordered = sorted(dict.fromkeys(said), key=lambda one: -_BY_WEIGHT.index(one.status))
    status = worst(one.status for one in ordered)
    says = "; ".join(one.shown for one in ordered if one.status is status)
    return Outcome(check, status, says, ordered, list(metrics))


def of_error(why: MailauthError, otherwise: Status = Status.CRITICAL) -> Status:
    """UNKNOWN where a right or an option of ours was missing; else the server's fault: ``otherwise``."""
    return Status.UNKNOWN if why.ours else otherwise


def of_finding(finding: Finding) -> CheckLine:
    """What a rule found."""
    return CheckLine(OF_SEVERITY[finding.severity], finding.problem.says, finding.rule.code)


def ago(seconds: float) -> str:
    """As people say it: "12 s ago", "5 min ago", "2.5 h ago"."""
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.1f} h ago"


def over(value: float, warning: float, critical: float) -> Status:
    """Whether a number is above what is allowed."""
    return Status.CRITICAL if value > critical else Status.WARNING if value > warning else Status.OK


def under(value: float, warning: float, critical: float) -> Status:
    """Whether a number is below what is needed."""
    return Status.CRITICAL if value < critical else Status.WARNING if value < warning else Status.OK


def report(outcomes: Iterable[Outcome], dovecot: str, at: float) -> CheckReport:
    given = list(outcomes)
    return CheckReport(worst(one.status for one in given), dovecot, at, given)
