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


def test_the_dashboard_asks_for_metrics_that_there_are(database: Database) -> None:
    board = json.loads(BOARD.read_text("utf-8"))
    asked = set(re.findall(r"gatesync_[a-z_]+", json.dumps(board)))
    found = database.read_now(lambda conn: metrics.text(conn, START_MS)).decode()
    assert asked
    assert asked <= set(re.findall(r"gatesync_[a-z_]+", found))
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
