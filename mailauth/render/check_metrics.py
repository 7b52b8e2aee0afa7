"""A report of checks for Prometheus: the text format for node_exporter's textfile, and OpenMetrics."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from mailauth.check.outcome import KINDS, CheckReport
from mailauth.visible import visible

_STATUS = "Whether a check is well: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."


class Checks(Collector):
    """The last report, as it is when it is asked for; nothing before there is one."""

    def __init__(self, report: CheckReport | None = None) -> None:
        self.report = report

    def collect(self) -> Iterable[Metric]:
        if self.report is None:
            return
        yield from _of_checks(self.report)
        yield from _of_metrics(self.report)


def check_metrics(report: CheckReport) -> str:
    """For node_exporter's textfile."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Checks(report))
    return generate_latest(registry).decode()


def _of_checks(report: CheckReport) -> Iterable[Metric]:
    status = GaugeMetricFamily("mailauth_check_status", _STATUS, labels=["check"])
    took = GaugeMetricFamily("mailauth_check_duration_seconds", "How long a check took.", labels=["check"])
    for one in report.outcomes:
        status.add_metric([one.check], one.status.number)
        took.add_metric([one.check], round(one.seconds, 6))
    yield status
    yield took
    yield GaugeMetricFamily(
        "mailauth_check_timestamp_seconds", "When the checks were run, since 1970.", value=report.at
    )
    worst = GaugeMetricFamily("mailauth_check_worst_status", _STATUS.replace("a check", "everything"))
    worst.add_metric([], report.status.number)
    yield worst
    if report.dovecot:
        about = GaugeMetricFamily("mailauth_dovecot_info", "The Dovecot that is checked.", labels=["version"])
        about.add_metric([visible(report.dovecot)], 1)
        yield about


def _of_metrics(report: CheckReport) -> Iterable[Metric]:
    """Each kind once, with all its samples."""
    for name, kind in KINDS.items():
        samples = [one for each in report.outcomes for one in each.metrics if one.name == name]
        if not samples:
            continue
        labels = list(samples[0].labels)
        make = CounterMetricFamily if kind.counts else GaugeMetricFamily
        family = make(f"mailauth_{name}", kind.help, labels=labels)
        for one in samples:
            family.add_metric([visible(one.labels[label], keep="\n") for label in labels], one.value)
        yield family
