"""Dashboards and rules name what is exported, alerts lead into the runbook, and docs know every metric."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.dashboards.__main__ import BOARDS, FOLDER, text
from lake.prometheus import document
from lake.prometheus.metrics import METRICS
from storefront.service.metrics import Metrics

REPOSITORY = Path(__file__).resolve().parents[3]
HOUSE = REPOSITORY / "infra" / "dashboards"
PROMETHEUS = HOUSE / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
PAGE = REPOSITORY / "docs" / "observability.md"
RUNBOOK = REPOSITORY / "docs" / "runbook.md"

PROMETHEUS_OWN = {"up"}
METRIC = re.compile(r"\b(?:nightshelf|storefront|airflow|process|node)_[a-z0-9_]+|\bup\b")


def alerts() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def storefronts() -> set[str]:
    """What the service exports, with the parts that a counter, a histogram or a summary has."""
    names = set()
    for line in Metrics(1.0).text().decode().splitlines():
        if line.startswith("# TYPE") and "_created" not in line:
            _, _, name, kind = line.split()
            names |= {name, f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else {name}
    return names


def airflows() -> set[str]:
    """What the StatsD exporter makes of Airflow's names."""
    mapped = yaml.safe_load((PROMETHEUS / "statsd_mapping.yml").read_text())["mappings"]
    kept = {each["name"] for each in mapped if each.get("action") != "drop"}
    return kept | {f"{name}_count" for name in kept if name.endswith("_seconds")}


def exported() -> set[str]:
    return {*METRICS, *storefronts(), *airflows(), *PROMETHEUS_OWN}


def queries() -> Iterator[tuple[str, str]]:
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for board in BOARDS.values():
        for panel in board.panels():
            for query in panel.queries:
                yield f"{board.title}: {panel.title}", query


def named(query: str) -> set[str]:
    """Metrics of a query: names that no label matcher's text holds."""
    return set(METRIC.findall(re.sub(r'"[^"]*"', '""', query)))


def test_every_metric_of_a_panel_or_rule_is_exported() -> None:
    known = exported()
    missing = {(place, name) for place, query in queries() for name in named(query) - known}
    assert not missing
    assert all(named(query) for _, query in queries())


def test_a_wrong_name_would_be_found() -> None:
    assert named('rate(nightshelf_gate_succes{gate="up"}[5m]) / up') - exported() == {"nightshelf_gate_succes"}


def test_every_metric_of_the_jobs_is_on_a_dashboard_or_in_a_rule() -> None:
    shown = {name for _, query in queries() for name in named(query)}
    unseen = set(METRICS) - shown - {"nightshelf_command_last_failure_timestamp_seconds"}
    assert not unseen


def test_every_metric_is_told_somewhere_in_the_code() -> None:
    """A definition that nobody tells is a panel that stays empty."""
    source = (REPOSITORY / "lake" / "prometheus" / "metrics.py").read_text()
    constants = {
        node.targets[0].id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "Metric"
    }
    assert len(constants) == len(METRICS)
    code = "\n".join(
        path.read_text()
        for folder in ("lake", "models", "validation", "jobs")
        for path in (REPOSITORY / folder).rglob("*.py")
    )
    told = set(re.findall(r"\b([A-Z_]+)\.(?:tell|tell_all|state)\(", code))
    assert constants - told == set()


def test_names_follow_the_conventions() -> None:
    for name in METRICS:
        assert re.fullmatch(r"nightshelf_[a-z0-9_]+", name)
        assert not name.endswith(("_total", "_ms", "_minutes", "_percent", "_count", "_sum", "_bucket")), name
        assert ("timestamp" not in name) or name.endswith("_timestamp_seconds"), name


def test_every_alert_leads_to_a_place_in_the_runbook() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    for rule in alerts():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor in anchors, (rule["alert"], anchor)


def test_the_runbook_knows_every_alert() -> None:
    page = RUNBOOK.read_text()
    assert [rule["alert"] for rule in alerts() if f"`{rule['alert']}`" not in page] == []


def test_alerts_say_how_bad_and_what() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) >= 30
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    cases: dict[str, set[bool]] = {}
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                cases.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert cases == {rule["alert"]: {True, False} for rule in alerts()} | {"MetricsMissing": {True, False}}


def test_committed_dashboards_are_current_and_whole() -> None:
    told = "the dashboards' JSON is out of date: python -m infra.dashboards"
    assert {path.stem for path in FOLDER.glob("*.json")} == set(BOARDS)
    for name in BOARDS:
        assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text(name), told
        model = json.loads(text(name))
        numbers = [panel["id"] for panel in model["panels"]]
        assert len(set(numbers)) == len(numbers)
    assert len({board.uid for board in BOARDS.values()}) == len(BOARDS)


def test_panels_do_not_lie_on_each_other() -> None:
    for name in BOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(text(name))["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, (name, panel["title"])
            taken |= cells


def test_the_dashboards_ask_the_provisioned_data_source() -> None:
    folder = HOUSE / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    uids = set(re.findall(r'"uid": "([^"]+)"', "".join(text(name) for name in BOARDS)))
    assert uids - {board.uid for board in BOARDS.values()} == {source["uid"]}


def test_airflow_sends_what_the_mapping_waits_for() -> None:
    """Against Airflow's own list of what it sends."""
    [house] = find_spec("airflow").submodule_search_locations[:1]  # looked up, not imported, which takes seconds
    template = Path(house) / "_shared" / "observability" / "metrics" / "metrics_template.yaml"
    sent = set()
    for metric in yaml.safe_load(template.read_text())["metrics"]:
        name = metric["name"] if metric["legacy_name"] == "-" else metric["legacy_name"]
        sent.add(re.sub(r"\{[^}]+\}", "*", f"airflow.{name}"))
    mapped = yaml.safe_load((PROMETHEUS / "statsd_mapping.yml").read_text())["mappings"]
    wanted = {each["match"] for each in mapped if each.get("action") != "drop"}
    assert {re.sub(r"\.(success|failed)\.\*", r".\1.*", match) for match in wanted} <= sent


def test_the_page_has_every_metric() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert document.markdown() in page, "python -m lake.prometheus.document gives the table"
    service = {name for name in storefronts() if name.startswith("storefront_")}
    whole = {name for name in service if not name.endswith(("_bucket", "_count", "_sum"))}
    there = page + (REPOSITORY / "docs" / "storefront.md").read_text(encoding="utf-8")
    assert [name for name in sorted(whole) if f"`{name}`" not in there] == []


def test_prometheus_reads_rules_and_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(
            "no promtool here (Debian's package prometheus has it); make verify CHECKS=observability fetches it"
        )
    subprocess.run([promtool, "check", "rules", *map(str, RULES)], check=True, capture_output=True)
    subprocess.run([promtool, "check", "config", "prometheus.yml"], cwd=PROMETHEUS, check=True, capture_output=True)
