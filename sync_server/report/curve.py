"""The arrival curve: hour after hour of the event's clocks, those without anybody too."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

HOURS_MAX = 24 * 14  # a longer curve shows only the hours that had anybody
LABELS_MAX = 24


class Bar(NamedTuple):
    """`label` stands below it, and is empty where there is no room; `hour` names it in full."""

    label: str
    hour: str
    people: int


def bars(hours: Sequence[dict[str, Any]], time_zone: str) -> list[Bar]:
    """`hours` as `/stats/hourly` has them."""
    zone = ZoneInfo(time_zone)
    # In UTC: of an hour that the clocks show twice, Python takes no local time for another's equal.
    counts = {
        datetime.fromisoformat(hour["hour"]).astimezone(UTC): int(hour["count"]) for hour in hours
    }
    if not counts:
        return []
    every = _every_hour(min(counts), max(counts))
    shown = every if len(every) <= HOURS_MAX else sorted(counts)
    step = -(-len(shown) // LABELS_MAX)
    made, day = [], ""
    for number, moment in enumerate(shown):
        begins, label = moment.astimezone(zone), ""
        if number % step == 0:
            today = f"{begins:%m-%d}"
            label = f"{begins:%H:%M}" if today == day or (step == 1 and not day) else today
            day = today
        made.append(Bar(label, hour_text(begins.isoformat(), hours), counts.get(moment, 0)))
    return made


def hour_text(hour: str, hours: Sequence[dict[str, Any]]) -> str:
    """`2026-11-21 09:00`; with the offset where the clocks were changed in between, since two hours
    may then have one name.
    """
    text = hour[:16].replace("T", " ")
    changed = len({found["hour"][19:] for found in hours}) > 1
    return f"{text} ({hour[19:]})" if changed else text


def _every_hour(begins: datetime, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    while begins <= end and len(found) <= HOURS_MAX:
        found.append(begins)
        begins += timedelta(hours=1)
    return found
