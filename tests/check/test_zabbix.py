"""The template for Zabbix: keys and triggers fit together, and each JSON path finds what a check says."""

import importlib
import json
import re
from collections.abc import Callable
from typing import Any

from mailauth.check.outcome import KINDS
from tests.check.conftest import EVERY
from tests.check.test_snippets import SNIPPETS

EXPORT: dict[str, Any] = importlib.import_module("yaml").safe_load(
    (SNIPPETS / "zabbix-template.yaml").read_text()
)["zabbix_export"]
(TEMPLATE,) = EXPORT["templates"]
ITEMS: list[dict[str, Any]] = TEMPLATE["items"]
TRIGGERS = [trigger for item in ITEMS for trigger in item.get("triggers", ())]
# Of Zabbix' JSONPath, the forms that stand in the template.
PLAIN = re.compile(r"\$\.(\w+)")
OF_A_CHECK = re.compile(r"\$\.outcomes\[\?\(@\.check == '(\w+)'\)\]\.(\w+)\.first\(\)")
OF_A_METRIC = re.compile(r"\$\.outcomes\[\*\]\.metrics\[\?\(@\.name == '(\w+)'\)\]\.value\.(min|max)\(\)")


def found(path: str, told: dict[str, Any]) -> list[Any]:
    """All that a path selects, before first(), min() or max()."""
    if plain := PLAIN.fullmatch(path):
        return [told[plain[1]]] if plain[1] in told else []
    if of := OF_A_CHECK.fullmatch(path):
        return [one[of[2]] for one in told["outcomes"] if one["check"] == of[1]]
    of = OF_A_METRIC.fullmatch(path)
    assert of, path
    return [each["value"] for one in told["outcomes"] for each in one["metrics"] if each["name"] == of[1]]


def test_keys_and_triggers_fit_together() -> None:
    assert EXPORT["version"] == "6.0"
    keys = [item["key"] for item in ITEMS]
    assert len(set(keys)) == len(keys)
    uuids = [one["uuid"] for one in (*ITEMS, *TRIGGERS, *EXPORT["groups"], TEMPLATE, *TEMPLATE["valuemaps"])]
    assert len(set(uuids)) == len(uuids)
    assert all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", one) for one in uuids)
    names = [trigger["name"] for trigger in TRIGGERS]
    assert len(set(names)) == len(names)
    (master,) = (item for item in ITEMS if "master_item" not in item)
    assert f"UserParameter={master['key']}," in (SNIPPETS / "zabbix-agent.conf").read_text()
    maps = {one["name"] for one in TEMPLATE["valuemaps"]}
    for item in ITEMS:
        assert item is master or item["type"] == "DEPENDENT"
        assert item is master or item["master_item"]["key"] == master["key"]
        assert item.get("valuemap", {"name": next(iter(maps))})["name"] in maps
        for trigger in item.get("triggers", ()):
            place = f"/{TEMPLATE['template']}/{item['key']},"
            assert re.fullmatch(rf"(nodata|min)\({re.escape(place)}\d+m\)=\d", trigger["expression"])
    checks = {item["key"] for item in ITEMS if item["key"].startswith("mailauth.status[")}
    assert checks == {f"mailauth.status[{name}]" for name in EVERY}


def test_each_path_finds_what_a_real_check_says(watched: Callable[..., Any]) -> None:
    with watched(None, protocols=("imap",)) as one:
        told = json.loads(one.plugin("--json")[1])
    for item in ITEMS:
        steps = item.get("preprocessing", [])
        for path in (step["parameters"][0] for step in steps if step["type"] == "JSONPATH"):
            values = found(path, told)
            assert values, path
            number = item["value_type"] == "FLOAT"
            assert all(isinstance(value, int | float if number else str) for value in values), path
            if number:
                metric = item["key"].removeprefix("mailauth.metric[").removesuffix("]")
                assert f"'{metric}'" in path
                assert KINDS[metric].unit in {item.get("units", ""), ""}
