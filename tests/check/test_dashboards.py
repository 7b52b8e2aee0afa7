"""The dashboard of docs/monitoring names metrics and labels that a real check gives, in PromQL."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mailauth.check.outcome import KINDS
from tests.check.test_snippets import SNIPPETS, run
from tests.check.tools import tool

DASHBOARD = json.loads((SNIPPETS / "grafana-dashboard.json").read_text())
PANELS = DASHBOARD["panels"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
OF_THE_SCRAPE = {"instance"}  # a label that Prometheus gives


def named(expression: str) -> set[str]:
    return set(re.findall(r"mailauth_\w+", expression))


def test_each_panel_is_its_own() -> None:
    assert DASHBOARD["uid"] == "mailauth-check"
    assert "__inputs" not in DASHBOARD  # it is loaded by provisioning, too
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
        assert panel["description"]
    places = [
        (x, y)
        for grid in (panel["gridPos"] for panel in PANELS)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(places)) == len(places), "two panels lie upon each other"
    assert max(x for x, _ in places) < 24


def test_prometheus_takes_each_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": plain(target["expr"])}
        for number, (_, target) in enumerate(TARGETS)
    ]
    path = tmp_path / "rules.yml"
    for wanted in (0, 1):
        path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
        status, said = run(tool("promtool"), "check", "rules", path)
        assert bool(status) == bool(wanted), said
        rules[0]["expr"] += " by ("


def plain(expression: str) -> str:
    """As Grafana sends it."""
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*")


def test_each_metric_is_in_what_a_check_gives(watched: Callable[..., Any], tmp_path: Path) -> None:
    """A metric in no panel, or a panel without a metric, is one that was forgotten here."""
    written = tmp_path / "mailauth.prom"
    with watched(None, "sqlite", protocols=("imap",), tls=True) as one:
        # A lab's certificate is for no name that a client would ask for: that is a finding, and a metric.
        one.plugin("--textfile", str(written), "--host", "127.0.0.1")
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(written.read_text()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    shown = set[str]()
    for title, target in TARGETS:
        metrics = named(target["expr"])
        shown |= metrics
        assert metrics <= labels.keys(), title
        told = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - OF_THE_SCRAPE
        assert all(told <= labels[metric] for metric in metrics), title
    known = {f"mailauth_{name}{'_total' if kind.counts else ''}" for name, kind in KINDS.items()}
    assert known <= shown
    (variable,) = (one for one in DASHBOARD["templating"]["list"] if one["type"] == "query")
    assert named(variable["definition"]) <= labels.keys()
