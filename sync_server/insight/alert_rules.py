"""What deserves an organiser's attention now (DESIGN §6 Insight); pure.

`standing(picture)` names every alert that holds. `insight/alerts.py` raises what is new and clears
what is over, so that a thing is said once however often it is looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, NamedTuple

from shared.reasons import Words


class AlertType(StrEnum):
    GATE_OVERLOAD = "gate_overload"
    LOW_ATTENDANCE = "low_attendance"
    GATE_OFFLINE = "gate_offline"
    QUEUE_GROWING = "queue_growing"
    CLOCK_OFF = "clock_off"
    CONFLICT = "conflict"
    HOLES = "holes"
    DISK_LOW = "disk_low"
    GATE_TROUBLE = "gate_trouble"  # what the gate itself names, as a damaged journal
    READER_FAILED = "reader_failed"
    DELIVERY_PARKED = "delivery_parked"
    MAIL_STUCK = "mail_stuck"
    DEVICE_ADOPTED = "device_adopted"  # known by its certificate alone, until somebody confirms it
    DEVICE_QUARANTINED = "device_quarantined"  # revoked, and its scans wait for somebody's word


LOAD_SLACK_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Each is a setting `alert_…` of the server's configuration."""

    gate_load_percent: int = 80
    attendance_percent: int = 30  # below this past half of the event
    offline_s: int = 60
    waiting_scans: int = 50  # a device with more and growing is behind
    clock_off_ms: int = 60_000
    disk_free_mb: int = 200


class Key(NamedTuple):
    """What an alert is about: of one type, one alert a subject."""

    type: AlertType
    subject: str


class Alert(NamedTuple):
    """`data` tells a program, `words` a person."""

    data: Mapping[str, Any]
    words: Words


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is looked at, as read in one transaction; shapes as API §2 and §3.7 give them.

    `waiting_before`: device id → scans that waited there when it spoke before.
    `held`: alerts that stand already.
    """

    now_ms: int
    admits: bool  # the event's status and time let people in
    start_ms: int
    end_ms: int
    overall: Mapping[str, Any]
    gates: Sequence[Mapping[str, Any]]
    devices: Sequence[Mapping[str, Any]]
    last_seen_ms: Mapping[str, int | None]
    waiting_before: Mapping[str, int]
    open_conflicts: int
    parked: int
    held: AbstractSet[Key] = frozenset()
    mail_problem: str | None = None  # why the mail server can't be reached


def standing(picture: Picture, limits: Thresholds) -> dict[Key, Alert]:
    """Every alert that holds now."""
    return dict(
        chain(
            _of_gates(picture, limits),
            _of_attendance(picture, limits),
            _of_devices(picture, limits),
            _of_scans(picture),
        )
    )


_Found = Iterator[tuple[Key, Alert]]


def _of_gates(picture: Picture, limits: Thresholds) -> _Found:
    for gate in picture.gates:
        load, key = gate["currentLoad"], Key(AlertType.GATE_OVERLOAD, gate["gateId"])
        # Over once it is clearly less, or a load about the limit would be an alert each minute.
        slack = LOAD_SLACK_PERCENT if key in picture.held else 0
        if load > limits.gate_load_percent - slack:
            yield key, Alert(
                {"gateId": gate["gateId"], "currentLoad": load,
                 "estimatedWaitTime": gate["estimatedWaitTime"]},
                Words(f"{gate['name']}: load {load:.0f} %, open another lane or send people on",
                      f"{gate['name']}: 혼잡도 {load:.0f} %, 다른 게이트로 안내하세요"),
            )  # fmt: skip


def _of_attendance(picture: Picture, limits: Thresholds) -> _Found:
    half_ms = (picture.start_ms + picture.end_ms) // 2
    rate = picture.overall["attendanceRate"]
    if picture.overall["totalParticipants"] == 0 or not half_ms < picture.now_ms < picture.end_ms:
        return
    if rate < limits.attendance_percent:
        yield Key(AlertType.LOW_ATTENDANCE, "event"), Alert(
            {"attendanceRate": rate, "attendedParticipants": picture.overall["attendedParticipants"]},
            Words(f"Only {rate:.0f} % have come, and half of the event is over",
                  f"행사 절반이 지났지만 참석률이 {rate:.0f} %입니다"),
        )  # fmt: skip


def _of_devices(picture: Picture, limits: Thresholds) -> _Found:
    for device in picture.devices:
        subject = device["deviceId"]
        about = {"deviceId": subject, "gateId": device["gateId"], "name": device["name"]}
        said = (
            ()
            if device["state"] == "revoked"
            else (
                *_connection(picture, limits, device),
                *_condition(limits, device),
            )
        )
        for type_, more, words in (*_standing_of(device), *said):
            named = f"{subject}/{more['code']}" if type_ is AlertType.GATE_TROUBLE else subject
            yield Key(type_, named), Alert({**about, **more}, words)


_About = Iterator[tuple[AlertType, dict[str, Any], Words]]


def _standing_of(device: Mapping[str, Any]) -> _About:
    place = f"{device['gateId']} ({device['name']})"
    if device["state"] == "adopted":
        yield (
            AlertType.DEVICE_ADOPTED,
            {},
            Words(
                f"{place} is known by its certificate only: confirm it, and it gets lists again",
                f"{place}: 인증서로만 확인된 기기입니다. 확인하면 명단을 다시 받습니다",
            ),
        )
    if waiting := device.get("quarantinedScans"):
        yield (
            AlertType.DEVICE_QUARANTINED,
            {"scans": waiting},
            Words(
                f"{place} was revoked and has sent {waiting} scans since: accept them or leave them",
                f"{place}: 회수된 기기가 기록 {waiting}건을 보냈습니다. 인정할지 결정하세요",
            ),
        )


def _connection(picture: Picture, limits: Thresholds, device: Mapping[str, Any]) -> _About:
    place = f"{device['gateId']} ({device['name']})"
    seen_ms = picture.last_seen_ms.get(device["deviceId"])
    silent_s = (picture.now_ms - seen_ms) // 1_000 if seen_ms is not None else None
    if picture.admits and silent_s is not None and silent_s > limits.offline_s:
        yield (
            AlertType.GATE_OFFLINE,
            {"lastSeenAt": device["lastSeenAt"]},
            Words(
                f"{place} has not been heard of for more than {limits.offline_s} s; it goes on by "
                "itself, its scans come later",
                f"{place}: {limits.offline_s}초 넘게 연락이 없습니다. 게이트는 계속 동작하며 기록은 "
                "나중에 올라옵니다",
            ),
        )
    waiting = device.get("waiting") or 0
    before = picture.waiting_before.get(device["deviceId"], waiting)
    if waiting > limits.waiting_scans and waiting >= before:
        yield (
            AlertType.QUEUE_GROWING,
            {"waiting": waiting},
            Words(
                f"{place}: {waiting} scans wait to be uploaded",
                f"{place}: 기록 {waiting}건이 전송을 기다립니다",
            ),
        )
    if device.get("holes"):
        yield (
            AlertType.HOLES,
            {"holes": device["holes"]},
            Words(
                f"{place}: scans are missing from its journal's sequence",
                f"{place}: 기록 순번에 빠진 것이 있습니다",
            ),
        )


def _condition(limits: Thresholds, device: Mapping[str, Any]) -> _About:
    place = f"{device['gateId']} ({device['name']})"
    clock = device.get("clock") or {}
    off = max(abs(clock.get("offsetMs") or 0), clock.get("errorMs") or 0)
    if off > limits.clock_off_ms:
        yield (
            AlertType.CLOCK_OFF,
            {"clock": clock},
            Words(
                f"{place}: its clock is off by up to {off / 1_000:.0f} s",
                f"{place}: 시계가 최대 {off / 1_000:.0f}초 어긋납니다",
            ),
        )
    free = (device.get("disk") or {}).get("freeBytes")
    if free is not None and free < limits.disk_free_mb * 1_000_000:
        yield (
            AlertType.DISK_LOW,
            {"freeBytes": free},
            Words(
                f"{place}: {free / 1e6:.0f} MB left on its card",
                f"{place}: 저장 공간이 {free / 1e6:.0f} MB 남았습니다",
            ),
        )
    for trouble in (device.get("disk") or {}).get("troubles") or ():
        yield (
            AlertType.GATE_TROUBLE,
            {"code": trouble["code"]},
            Words(f"{place}: {trouble['en']}", f"{place}: {trouble['ko']}"),
        )
    failed = [
        reader["name"] for reader in device.get("readers") or () if reader.get("state") == "failed"
    ]
    if failed:
        names = ", ".join(failed)
        yield (
            AlertType.READER_FAILED,
            {"readers": failed},
            Words(f"{place}: not reading: {names}", f"{place}: 인식 장치 이상: {names}"),
        )


def _of_scans(picture: Picture) -> _Found:
    if picture.open_conflicts:
        number = picture.open_conflicts
        yield Key(AlertType.CONFLICT, "event"), Alert(
            {"open": number},
            Words(f"{number} conflicts wait for a supervisor's word" if number > 1
                  else "A conflict waits for a supervisor's word",
                  f"처리하지 않은 충돌 {number}건이 있습니다"),
        )  # fmt: skip
    if picture.mail_problem:
        yield Key(AlertType.MAIL_STUCK, "mail"), Alert(
            {"problem": picture.mail_problem},
            Words(f"No mail can be sent: {picture.mail_problem}",
                  f"메일을 보낼 수 없습니다: {picture.mail_problem}"),
        )  # fmt: skip
    if picture.parked:
        yield Key(AlertType.DELIVERY_PARKED, "stream"), Alert(
            {"parked": picture.parked},
            Words(f"{picture.parked} messages could not be delivered and are parked",
                  f"전달하지 못한 메시지 {picture.parked}건이 보류되었습니다"),
        )  # fmt: skip
