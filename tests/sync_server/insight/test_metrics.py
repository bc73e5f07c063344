"""Metrics by Prometheus's own parser and naming rules."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from sync_server.insight import metrics
from sync_server.storage.database import Database
from tests.sync_server.builders import START_MS, scan_entry, upload

BOARD = Path(__file__).parents[3] / "deploy/grafana/gatesync.json"


def test_metrics_tell_the_figures(database: Database) -> None:
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 4)])
    found = database.read_now(lambda conn: metrics.text(conn, START_MS + 3_600_000)).decode()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(found)
        for sample in family.samples
    }
    assert samples["gatesync_participants",] == 20
    assert samples["gatesync_participants_attended",] == 3
    assert samples["gatesync_scans_total", "confirmed", "north"] == 3
    assert samples["gatesync_alerts", "conflict"] == 0
    for family in text_string_to_metric_families(found):
        assert re.fullmatch(r"(gatesync|process|python)_[a-z_]+", family.name)
        assert family.documentation


_UNITS_NOT_BASE = ("milliseconds", "ms", "minutes", "hours", "kilobytes", "megabytes", "mb",
                   "percent")  # fmt: skip
_LABELS = {"gate", "verdict", "device", "type", "handler", "state"}


def test_names_are_as_promtool_asks(database: Database) -> None:
    """The rules of `promtool check metrics`: help, base units, `_total` on counters and only there."""
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 4)])
    backup = {"ageS": 3, "overdue": False}
    found = database.read_now(lambda conn: metrics.text(conn, START_MS, backup)).decode()
    assert "# HELP gatesync_scans_total" in found
    seen = set()
    for family in text_string_to_metric_families(found):
        assert family.name not in seen, "said twice"
        seen.add(family.name)
        assert family.documentation, family.name
        assert family.type in {"counter", "gauge"}, family.name
        for sample in family.samples:
            counted = sample.name.endswith("_total")
            if family.name.startswith("gatesync_"):
                assert counted == (family.type == "counter"), sample.name
                assert set(sample.labels) <= _LABELS, sample.labels
        words = family.name.split("_")
        assert not set(words) & set(_UNITS_NOT_BASE), family.name
        assert not set(words) & {"gauge", "counter", "metric"}, family.name


def test_labels_do_not_grow_with_people_or_scans(database: Database) -> None:
    def samples() -> int:
        found = database.read_now(lambda conn: metrics.text(conn, START_MS)).decode()
        return sum(len(family.samples) for family in text_string_to_metric_families(found))

    before = samples()
    upload(database, [scan_entry(n, person=n % 20) for n in range(1, 200)])
    assert samples() == before


def test_the_dashboard_asks_for_metrics_that_there_are(database: Database) -> None:
    board = json.loads(BOARD.read_text("utf-8"))
    asked = set(re.findall(r"gatesync_[a-z_]+", json.dumps(board)))
    found = database.read_now(lambda conn: metrics.text(conn, START_MS)).decode()
    assert asked
    assert asked <= set(re.findall(r"gatesync_[a-z_]+", found))
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_dashboard_is_one_that_grafana_loads() -> None:
    board = json.loads(BOARD.read_text("utf-8"))
    assert board["schemaVersion"] >= 36
    assert board["uid"]
    assert board["title"]
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource"]
    for panel in board["panels"]:
        assert {"id", "title", "type", "gridPos", "targets", "datasource"} <= set(panel)
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert all(target["expr"] and target["refId"] for target in panel["targets"])


def test_the_dashboard_asks_by_labels_that_there_are(database: Database) -> None:
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 4)])
    found = database.read_now(lambda conn: metrics.text(conn, START_MS)).decode()
    known = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(found)
        for sample in family.samples
    }
    for panel in json.loads(BOARD.read_text("utf-8"))["panels"]:
        for target in panel["targets"]:
            for name, labels in re.findall(r"(gatesync_[a-z_]+){([^}]*)}", target["expr"]):
                assert set(re.findall(r"(\w+)=", labels)) <= known[name], target["expr"]
            for name in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
                asked = re.findall(r"gatesync_[a-z_]+", target["expr"])
                assert any(name in known.get(metric, _LABELS) for metric in asked), target
