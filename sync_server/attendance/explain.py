"""Why a scan counts as it does, in words a person understands, Korean and English (P11)."""

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, select

from shared.history import Timeline
from shared.merge import Kind, Verdict
from shared.model import Direction, Event
from shared.reasons import WORDS, Reason, Words, clock_words
from sync_server.attendance.knowledge import Knowledge
from sync_server.storage import schema
from sync_server.storage.history import load_place

ScanRow = Row[Any]

_KIND_WORDS: dict[Kind, Words] = {
    Kind.DOUBLE_ENTRY: Words(
        "admitted while already inside", "이미 입장한 상태에서 다시 입장했습니다"
    ),
    Kind.REVOKED: Words("admitted with a ticket already withdrawn", "취소된 티켓으로 입장했습니다"),
    Kind.CANCELLED: Words(
        "admitted after the registration was cancelled", "등록 취소 후 입장했습니다"
    ),
    Kind.BLOCKED: Words("admitted although barred", "입장이 제한된 상태에서 입장했습니다"),
    Kind.OUTSIDE_PERIOD: Words("admitted outside the allowed time", "허용 시간 외에 입장했습니다"),
    Kind.GATE_CLOSED: Words(
        "admitted while the gate or the event was closed", "게이트 또는 행사가 닫힌 때 입장했습니다"
    ),
    Kind.NOT_PERMITTED: Words(
        "admitted without the permission that the gate asks for", "게이트 권한 없이 입장했습니다"
    ),
    Kind.UNKNOWN_PARTICIPANT: Words(
        "admitted, but nobody on the list holds this ticket", "명단에 없는 티켓으로 입장했습니다"
    ),
    Kind.OVERRIDE: Words("admitted by a supervisor", "관리자가 입장을 허용했습니다"),
    Kind.QUARANTINED: Words(
        "from a revoked device: waits for an operator", "해지된 장치의 기록: 운영자 확인 대기"
    ),
}
_CHANGE_WORDS: dict[Kind, Words] = {
    Kind.REVOKED: Words("The ticket was withdrawn at", "티켓 회수 시각:"),
    Kind.CANCELLED: Words("The registration was cancelled at", "등록 취소 시각:"),
    Kind.BLOCKED: Words("The person was barred at", "입장 제한 시각:"),
    Kind.OUTSIDE_PERIOD: Words("The event was changed at", "행사 변경 시각:"),
    Kind.GATE_CLOSED: Words("The gate or the event was changed at", "게이트·행사 변경 시각:"),
    Kind.NOT_PERMITTED: Words("The permission was changed at", "권한 변경 시각:"),
}


class Names(NamedTuple):
    """The names that explanations use: gates by id, and the event's time zone."""

    gates: dict[str, str]
    zone: ZoneInfo
    event: Timeline[Event]

    @classmethod
    def load(cls, conn: Connection) -> "Names":
        gates = conn.execute(select(schema.gates.c.gate_id, schema.gates.c.name))
        zone = conn.execute(select(schema.events.c.time_zone)).scalar_one()
        named = {row.gate_id: row.name for row in gates}
        return cls(named, ZoneInfo(zone), load_place(conn).event)

    def gate(self, gate_id: str) -> str:
        return self.gates.get(gate_id) or gate_id

    def time(self, at_ms: int) -> str:
        """The event's local time with its offset: nobody need know the server's zone."""
        at = datetime.fromtimestamp(at_ms // 1_000, self.zone)
        return at.isoformat(sep=" ")


def explanation(
    row: ScanRow,
    against: ScanRow | None,
    names: Names,
    knowledge: Knowledge | None,
    was: Kind | None = None,
) -> Words:
    """`was`: what a voided scan's conflict was about."""
    kind = Kind(row.verdict_kind) if row.verdict_kind else None
    said = _said(row, kind)
    where = _where(row, names)
    accepted = Words("", "")
    if was is not None:
        before = _KIND_WORDS[was]
        accepted = Words(f" (before: {before.en.rstrip('.')})", f" (이전: {before.ko.rstrip('.')})")
    if kind not in (None, Kind.OVERRIDE) and row.verdict == Verdict.CONFIRMED:
        accepted = Words(" (accepted by a supervisor)", " (관리자 승인)")
    en = [f"{where.en}: {said.en.rstrip('.')}{accepted.en}."]
    ko = [f"{where.ko}: {said.ko.rstrip('.')}{accepted.ko}."]
    if against is not None:
        other = _where(against, names)
        en.append(f"The earlier scan: {other.en}.")
        ko.append(f"앞선 기록: {other.ko}.")
        if _overlap(row, against):
            en.append("The two times overlap within their errors: which came first is not certain.")
            ko.append("두 시각이 오차 범위 안에서 겹쳐 순서가 확실하지 않습니다.")
    clock = _within_error(row, names.event)
    if clock is not None:
        en.append(clock.en)
        ko.append(clock.ko)
    if knowledge is not None:
        told = _knew(row, kind, names, knowledge)
        en.append(told.en)
        ko.append(told.ko)
    return Words(" ".join(en), " ".join(ko))


def _said(row: ScanRow, kind: Kind | None) -> Words:
    if kind is not None:
        return _KIND_WORDS[kind]
    verdict = Verdict(row.verdict)
    if verdict is Verdict.REFUSED:
        return WORDS[Reason(row.reason)]
    if verdict is Verdict.DUPLICATE:
        return Words("repeats the scan before it", "직전 기록과 중복됩니다")
    if verdict is Verdict.VOIDED:
        return Words("voided by a supervisor", "관리자가 무효로 처리했습니다")
    return Words("counted", "집계되었습니다")


def _where(row: ScanRow, names: Names) -> Words:
    gate, at = names.gate(row.gate_id), names.time(row.occurred_ms)
    error = f" ±{row.time_error_ms / 1_000:g} s" if row.time_error_ms else ""
    korean = {"entry": "입장", "exit": "퇴장"}[row.direction]
    return Words(f"{row.direction} at {gate}, {at}{error}", f"{gate} {korean}, {at}{error}")


def _overlap(row: ScanRow, against: ScanRow) -> bool:
    apart_ms = abs(int(row.occurred_ms - against.occurred_ms))
    return apart_ms <= int(row.time_error_ms + against.time_error_ms)


def _within_error(row: ScanRow, history: Timeline[Event]) -> Words | None:
    """Where a window was judged in the visitor's favour, for the clock was not sure enough."""
    error_ms = max(row.time_error_ms, row.decided_error_ms)
    if not (row.admitted and error_ms and row.direction == Direction.ENTRY):
        return None
    event = history.at(row.occurred_ms)
    if row.occurred_ms < event.opens_ms <= row.occurred_ms + error_ms:
        return clock_words(Reason.TOO_EARLY, error_ms)
    if row.occurred_ms - error_ms <= event.closes_ms < row.occurred_ms:
        return clock_words(Reason.TOO_LATE, error_ms)
    return None


def _knew(row: ScanRow, kind: Kind | None, names: Names, what: Knowledge) -> Words:
    """What the gate could know of the earlier scan, or of the change, when it admitted."""
    gate = names.gate(row.gate_id)
    reached = names.time(what.known_at_ms)
    if what.changed:
        change = _CHANGE_WORDS[kind or Kind.REVOKED]
        it = Words(f"{change.en} {reached}.", f"{change.ko} {reached}.")
    else:
        it = Words(
            f"The earlier scan reached the server at {reached}.",
            f"앞선 기록은 {reached}에 서버에 도착했습니다.",
        )
    if what.same_device:
        heard = Words(f"{gate}'s own device made both.", f"두 기록 모두 {gate}의 같은 장치입니다.")
    elif what.at_server:
        heard = Words("This one was decided at the server.", "이 기록은 서버에서 결정되었습니다.")
    elif what.in_contact:
        heard = Words(
            f"{gate} was in contact with the server then.",
            f"{gate}은(는) 그때 서버와 연결되어 있었습니다.",
        )
    elif what.last_heard_ms is not None:
        at = names.time(what.last_heard_ms)
        heard = Words(
            f"{gate} had last heard from the server at {at}.",
            f"{gate}은(는) {at}에 마지막으로 서버와 연락했습니다.",
        )
    else:
        heard = Words(
            f"No contact of {gate} with this server is on record before that.",
            f"그 전에 {gate}이(가) 이 서버와 연락한 기록이 없습니다.",
        )
    end = (
        Words("It could have known.", "알 수 있었습니다.")
        if what.could_know
        else Words("It could not know.", "알 수 없었습니다.")
    )
    return Words(f"{it.en} {heard.en} {end.en}", f"{it.ko} {heard.ko} {end.ko}")
