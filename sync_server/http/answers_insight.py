"""The forms of the answers that tell how things go: figures, alerts, deliveries, health."""

from typing import Any, Literal

from msgspec import field

from shared.model import EventStatus, Method
from sync_server.http.answers import Form, Words
from sync_server.http.forms import At, LocalAt


class Overall(Form):
    """`attendanceRate`: of those registered, in per cent; `attendedCancelled`: came, and cancelled since."""

    total_participants: int
    attended_participants: int
    attendance_rate: float
    inside: int
    trend: Literal["increasing", "decreasing", "stable"]
    conflicts: int
    entries_last5_minutes: int = field(name="entriesLast5Minutes")
    attended_cancelled: int
    last_updated: At


class GateFigures(Form):
    """`avgProcessingTime` in ms, `currentLoad` in per cent, `estimatedWaitTime` in s."""

    gate_id: str
    name: str
    active: bool
    total_processed: int
    avg_processing_time: float
    last_attendance: At | None
    method_breakdown: dict[str, int]
    current_load: float
    estimated_wait_time: float
    refused: int
    conflicts: int


class HourFigures(Form):
    hour: LocalAt
    count: int
    methods: dict[str, int]
    gates: dict[str, int]


class MethodFigures(Form):
    method: Method
    count: int
    percent: float


class PeopleFigures(Form):
    """`small`: how many groups stand together here, each of fewer than 5; else null."""

    registered: int
    attended: int
    attendance_rate: float
    inside: int
    small: int | None


class GroupFigures(PeopleFigures):
    group: str | None


class PermissionFigures(PeopleFigures):
    permission: str | None


class ArrivalCurve(Form):
    """`slots`: [index, people who came first in it, {gate: entries}]; those without anybody are left out.

    `now`: how many slots have passed.
    """

    time_zone: str
    start: At
    slot_minutes: int
    slots_total: int
    now: float
    slots: list[tuple[int, int, dict[str, int]]]


class CountEstimate(Form):
    value: int
    low: int
    high: int


class TimeEstimate(Form):
    value: LocalAt
    low: LocalAt
    high: LocalAt


class LoadEstimate(Form):
    """Gate → its share of the arrivals to come, in per cent."""

    value: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]


class RateEstimate(Form):
    value: float
    low: float
    high: float


class RateNow(Form):
    """Arrivals an hour over the last so many minutes, and how many were expected in them."""

    minutes: int
    per_hour: float
    expected_per_hour: RateEstimate


class ExpectedBySlot(Form):
    """People expected in each slot of `/stats/arrivals`."""

    value: list[float]
    low: list[float]
    high: list[float]


class ForecastAnswer(Form):
    expected_final_attendance: CountEstimate
    peak_hour_prediction: TimeEstimate
    gate_load_distribution: LoadEstimate
    completion_time: TimeEstimate
    registered: int
    arrived: int
    rate: RateNow
    expected: ExpectedBySlot
    last_updated: At


class EffectOfChange(Words):
    """`grave`: look twice."""

    grave: bool


class HowThingsStand(Form):
    devices: int
    devices_offline: int
    scans_waiting: int
    entries_missing: int
    open_conflicts: int
    registered: int
    attended: int
    inside: int


class PreviewAnswer(Form):
    effects: list[EffectOfChange]
    numbers: HowThingsStand


class StatusByItself(Form):
    status: EventStatus
    at: LocalAt


class TransitionItem(Form):
    """`usual`: the next step; `back`: a step back; `final`: it can't be taken back."""

    status: EventStatus
    usual: bool
    back: bool
    final: bool
    effects: list[EffectOfChange]


class TransitionsAnswer(Form):
    status: EventStatus
    stored_status: EventStatus
    by_itself: list[StatusByItself]
    numbers: HowThingsStand
    transitions: list[TransitionItem]


class AlertItem(Form):
    id: str
    type: str
    subject: str
    raised_at: At
    cleared_at: At | None
    acknowledged_by: str | None
    data: dict[str, Any]
    message: Words


class HandlerItem(Form):
    """`behind` counts messages that it has not looked at; the others what is kept of it."""

    name: str
    behind: int
    waiting: int
    parked: int
    done: int


class HandlersAnswer(Form):
    items: list[HandlerItem]


class RetriedAnswer(Form):
    waiting: int


class DeliveryItem(Form):
    id: str
    handler: str
    state: Literal["waiting", "done", "parked"]
    attempts: int
    at: At
    next_attempt_at: At | None
    error: str | None
    envelope: dict[str, Any]


# --- health ------------------------------------------------------------------------------------


class Healthy(Form):
    status: Literal["ok"]
    server_time: At


class BackupState(Form):
    at: At | None
    age_s: int | None
    overdue: bool


class Ready(Form):
    status: Literal["ready"]
    cursor: str
    backup: BackupState | None
