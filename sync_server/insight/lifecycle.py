"""What a change of the event does, told before it is done: with the numbers of this moment.

`transitions` is for the steps of its life, `preview` for its times and settings. Both only read. Each
effect is a sentence in both languages; `grave` ones ask for a second look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from shared.model import ADMITTING, Event, EventStatus, SignedTickets
from shared.reasons import Words
from sync_server.insight import stats
from sync_server.stream import tail

LIFE = (
    EventStatus.DRAFT,
    EventStatus.OPEN,
    EventStatus.LIVE,
    EventStatus.ENDED,
    EventStatus.ARCHIVED,
)
OVER = frozenset({EventStatus.ENDED, EventStatus.ARCHIVED})


@dataclass(frozen=True, slots=True)
class Effect:
    words: Words
    grave: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**self.words.as_json(), "grave": self.grave}


@dataclass(frozen=True, slots=True)
class Numbers:
    """How things stand."""

    devices: int  # enrolled and not revoked
    offline: int
    waiting: int  # scans that gates say they have and the server has not
    missing: int  # entries missing in a journal's sequence
    conflicts: int
    registered: int
    attended: int
    inside: int

    def as_json(self) -> dict[str, int]:
        return {
            "devices": self.devices, "devicesOffline": self.offline, "scansWaiting": self.waiting,
            "entriesMissing": self.missing, "openConflicts": self.conflicts,
            "registered": self.registered, "attended": self.attended, "inside": self.inside,
        }  # fmt: skip


def numbers(conn: Connection, now_ms: int) -> Numbers:
    devices = [one for one in tail.all_devices(conn, now_ms) if one["state"] != "revoked"]
    overall = stats.overall(conn, now_ms)
    return Numbers(
        devices=len(devices),
        offline=sum(not one["online"] for one in devices),
        waiting=sum(one.get("waiting") or 0 for one in devices),
        missing=sum(last - first + 1 for one in devices for first, last in one["holes"]),
        conflicts=overall["conflicts"],
        registered=overall["totalParticipants"],
        attended=overall["attendedParticipants"],
        inside=overall["inside"],
    )


def transitions(event: Event, known: Numbers, now_ms: int) -> dict[str, Any]:
    """Each status that the event may take from here, and what taking it does."""
    shown = event.status_at(now_ms)
    at = LIFE.index(shown)
    possible = () if event.status is EventStatus.ARCHIVED else LIFE
    return {
        "status": shown.value,
        "storedStatus": event.status.value,
        "byItself": [
            {"status": status.value, "at": _iso(when, event)} for status, when in _by_itself(event, now_ms)
        ],
        "numbers": known.as_json(),
        "transitions": [
            {
                "status": status.value,
                "usual": LIFE.index(status) == at + 1,
                "back": LIFE.index(status) < at,
                "final": status is EventStatus.ARCHIVED,
                "effects": [
                    effect.as_json() for effect in _of_status(event, status, known, now_ms)
                ],
            }
            for status in possible
            if status not in {shown, event.status}
        ],
    }  # fmt: skip


def preview(before: Event, after: Event, known: Numbers, now_ms: int) -> list[dict[str, Any]]:
    """What a change of the event's times, names and settings does."""
    found = [*_of_window(before, after, known, now_ms), *_of_settings(before, after, known)]
    if before.settings != after.settings and (before.opens_ms, before.closes_ms) == (
        after.opens_ms,
        after.closes_ms,
    ):
        found += _told(known, moved=False, closing=False)
    if (before.name, before.venue) != (after.name, after.venue):
        found.append(Effect(Words(
            "Pages, reports and mails from now on say the new name and venue; tickets that are "
            "printed or mailed already keep the old ones.",
            "앞으로의 화면, 보고서, 메일에 새 이름과 장소가 표시됩니다. 이미 인쇄하거나 보낸 티켓은 그대로입니다.",
        )))  # fmt: skip
    if not found:
        found.append(Effect(Words("Nothing changes.", "바뀌는 것이 없습니다.")))
    return [effect.as_json() for effect in found]


def _by_itself(event: Event, now_ms: int) -> Iterator[tuple[EventStatus, int]]:
    if event.status is EventStatus.OPEN and now_ms < event.opens_ms:
        yield EventStatus.LIVE, event.opens_ms
    if event.status in ADMITTING and now_ms <= event.closes_ms:
        yield EventStatus.ENDED, event.closes_ms


# ---- a step of its life -------------------------------------------------------------------------


def _of_status(event: Event, status: EventStatus, known: Numbers, now_ms: int) -> Iterator[Effect]:
    opened, opens = event.status in ADMITTING, status in ADMITTING
    in_time = event.opens_ms <= now_ms <= event.closes_ms
    yield from _doors(event, known, now_ms, opened=opened, opens=opens)
    yield from _told(known, moved=opened != opens and (in_time or opens), closing=opened)
    yield Effect(Words(
        "It counts from now on: who was scanned before is not judged anew.",
        "지금부터 적용됩니다. 이미 스캔된 기록은 다시 판정하지 않습니다.",
    ))  # fmt: skip
    if opens and now_ms <= event.closes_ms:
        begins = (
            ""
            if status is EventStatus.LIVE
            else f"live by itself at {_clock(event.opens_ms, event)}, "
        )
        beginning = (
            "" if status is EventStatus.LIVE else f"{_clock(event.opens_ms, event)}에 진행 중, "
        )
        ends = _clock(event.closes_ms, event)
        yield Effect(Words(f"It becomes {begins}ended by itself at {ends}.",
                           f"{beginning}{ends}에 종료로 자동 전환됩니다."))  # fmt: skip
    yield from _signing(event, status, known, now_ms)
    if status in OVER:
        yield from _over(known)
    if status is EventStatus.ARCHIVED:
        yield from _archived(known)


def _doors(
    event: Event, known: Numbers, now_ms: int, *, opened: bool, opens: bool
) -> Iterator[Effect]:
    begins, ends = _clock(event.opens_ms, event), _clock(event.closes_ms, event)
    if not opens:
        if opened and now_ms <= event.closes_ms:
            yield Effect(Words(
                "Gates refuse every entry from now on (“gate or event is closed”). Exits always open; "
                f"inside now: {known.inside}.",
                f"지금부터 모든 입장이 거절됩니다(‘게이트 또는 행사 닫힘’). 퇴장은 항상 열립니다. 안에 {known.inside}명이 있습니다.",
            ), grave=known.inside > 0)  # fmt: skip
        else:
            yield Effect(Words("Nothing changes at the gates: they refuse entries already.",
                               "게이트에는 변화가 없습니다. 이미 입장을 거절하고 있습니다."))  # fmt: skip
    elif now_ms > event.closes_ms:
        yield Effect(Words(
            f"The event’s time is over ({ends}): gates go on refusing everybody as too late. Move the "
            "end first.",
            f"행사 시간이 지났습니다({ends}). 게이트는 계속 ‘입장 시간 지남’으로 거절합니다. 먼저 종료 시각을 옮기세요.",
        ), grave=True)  # fmt: skip
    elif now_ms < event.opens_ms:
        yield Effect(Words(
            f"Gates admit from {begins} to {ends}; until then they say “too early”.",
            f"게이트는 {begins}부터 {ends}까지 입장을 허용합니다. 그 전에는 ‘입장 시간 전’입니다.",
        ))  # fmt: skip
    elif opened:
        yield Effect(Words(f"Nothing changes at the gates: they admit until {ends}.",
                           f"게이트에는 변화가 없습니다. {ends}까지 입장을 허용합니다."))  # fmt: skip
    else:
        yield Effect(Words(f"Gates admit from now on, until {ends}.",
                           f"지금부터 {ends}까지 게이트가 입장을 허용합니다."))  # fmt: skip


def _told(known: Numbers, *, moved: bool, closing: bool) -> Iterator[Effect]:
    if not known.devices:
        yield Effect(Words("No device is enrolled: nobody needs to be told.",
                           "등록된 기기가 없어 알릴 곳이 없습니다."))  # fmt: skip
        return
    online = known.devices - known.offline
    yield Effect(Words(f"{online} of {known.devices} devices hear of it within a second.",
                       f"기기 {known.devices}대 중 {online}대가 1초 안에 알게 됩니다."))  # fmt: skip
    if known.offline and moved and closing:
        yield Effect(Words(
            f"{known.offline} are offline and go on admitting until they hear of it. Whom they admit "
            "meanwhile becomes a conflict (“gate or event was closed”) for somebody to decide.",
            f"{known.offline}대는 오프라인이라 알게 될 때까지 계속 입장시킵니다. 그동안의 입장은 충돌(‘게이트 또는 행사 닫힘’)이 되어 결정이 필요합니다.",
        ), grave=True)  # fmt: skip
    elif known.offline:
        yield Effect(Words(f"{known.offline} are offline and go on as they are until they hear of it.",
                           f"{known.offline}대는 오프라인이며 알게 될 때까지 지금처럼 동작합니다."),
                     grave=moved)  # fmt: skip


def _signing(event: Event, status: EventStatus, known: Numbers, now_ms: int) -> Iterator[Effect]:
    if event.settings.signed_tickets is not SignedTickets.LATE or not known.devices:
        return
    was, becomes = event.status_at(now_ms), _shown_as(event, status, now_ms)
    if becomes is EventStatus.LIVE and was is not EventStatus.LIVE:
        yield Effect(Words(
            "Tickets issued from now on are signed, so that gates that are cut off honour them.",
            "지금부터 발급하는 티켓은 서명되어, 연결이 끊긴 게이트에서도 인정됩니다.",
        ))  # fmt: skip
    elif was is EventStatus.LIVE and becomes is not EventStatus.LIVE:
        yield Effect(Words("Tickets issued from now on are no longer signed.",
                           "지금부터 발급하는 티켓은 서명되지 않습니다."))  # fmt: skip


def _shown_as(event: Event, status: EventStatus, now_ms: int) -> EventStatus:
    if status is EventStatus.OPEN and event.opens_ms <= now_ms <= event.closes_ms:
        return EventStatus.LIVE
    return EventStatus.ENDED if status in ADMITTING and now_ms > event.closes_ms else status


def _over(known: Numbers) -> Iterator[Effect]:
    if known.waiting or known.missing:
        yield Effect(Words(
            f"{known.waiting} scans still wait at the gates, {known.missing} entries are missing from "
            "their journals. They count when they come, and figures and report change then: keep the "
            "gates running until nothing waits.",
            f"게이트에 기록 {known.waiting}건이 대기 중이고 {known.missing}건이 빠져 있습니다. 도착하면 집계되어 수치와 보고서가 바뀝니다. 대기가 없어질 때까지 게이트를 켜 두세요.",
        ), grave=True)  # fmt: skip
    elif known.offline:
        yield Effect(Words(
            f"{known.offline} devices are offline: what they have written since is not known here. It "
            "counts when it comes.",
            f"{known.offline}대가 오프라인이라 그 뒤의 기록은 아직 모릅니다. 도착하면 집계됩니다.",
        ), grave=True)  # fmt: skip
    else:
        yield Effect(Words("All that the gates said they wrote has arrived.",
                           "게이트가 적었다고 알린 기록은 모두 도착했습니다."))  # fmt: skip
    if known.conflicts:
        yield Effect(Words(
            f"{known.conflicts} conflicts wait for a word; they are not in the counts. They can still "
            "be decided afterwards.",
            f"결정하지 않은 충돌이 {known.conflicts}건 있습니다. 집계에 들어가지 않으며 이후에도 결정할 수 있습니다.",
        ), grave=True)  # fmt: skip
    yield Effect(Words(
        f"The final report is written into the server’s folder `reports` ({known.attended} people have "
        "come); the one on the live page is made anew each time it is opened.",
        f"최종 보고서가 서버의 `reports` 폴더에 저장됩니다(참석 {known.attended}명). 실시간 화면의 보고서는 열 때마다 새로 만듭니다.",
    ))  # fmt: skip


def _archived(known: Numbers) -> Iterator[Effect]:
    yield Effect(Words("This can’t be taken back: an archived event stays archived.",
                       "되돌릴 수 없습니다. 보관된 행사는 그대로 남습니다."), grave=True)  # fmt: skip
    if known.waiting or known.missing or known.offline:
        yield Effect(Words(
            "Don’t wipe the gates’ cards yet: what has not come is only there.",
            "아직 게이트의 카드를 지우지 마세요. 도착하지 않은 기록은 거기에만 있습니다.",
        ), grave=True)  # fmt: skip
    else:
        yield Effect(Words(
            "Gates need their journals no longer: the cards may be wiped, by hand. Nothing wipes them "
            "by itself.",
            "게이트의 기록지는 더 이상 필요하지 않으므로 카드를 직접 지워도 됩니다. 저절로 지워지지는 않습니다.",
        ))  # fmt: skip
    yield Effect(Words(
        "Nothing is erased by it: personal data stay here until people are erased, or the data folder "
        "is.",
        "이것으로 지워지는 것은 없습니다. 개인정보는 참가자를 삭제하거나 데이터 폴더를 지울 때까지 남습니다.",
    ))  # fmt: skip


# ---- times and settings -------------------------------------------------------------------------


def _of_window(before: Event, after: Event, known: Numbers, now_ms: int) -> Iterator[Effect]:
    if (before.opens_ms, before.closes_ms) != (after.opens_ms, after.closes_ms):
        admits = before.status in ADMITTING
        was = admits and before.opens_ms <= now_ms <= before.closes_ms
        will = admits and after.opens_ms <= now_ms <= after.closes_ms
        begins, ends = _clock(after.opens_ms, after), _clock(after.closes_ms, after)
        yield Effect(Words(f"Gates admit from {begins} to {ends}, the margin included.",
                           f"게이트는 여유 시간을 포함해 {begins}부터 {ends}까지 입장을 허용합니다."))  # fmt: skip
        if was and not will:
            yield Effect(Words(
                f"Now lies outside: gates stop admitting at once. {known.inside} people are inside; "
                "exits always open.",
                f"지금은 그 시간 밖이므로 게이트가 바로 입장을 멈춥니다. 안에 {known.inside}명이 있으며 퇴장은 항상 열립니다.",
            ), grave=True)  # fmt: skip
        elif will and not was:
            yield Effect(Words("Now lies inside: gates admit at once.",
                               "지금이 그 시간 안이므로 게이트가 바로 입장을 허용합니다."))  # fmt: skip
        if admits:
            yield from _told(known, moved=was != will, closing=was)
        yield Effect(
            Words("The forecast is made for the new time.", "예측은 새 시간으로 계산됩니다.")
        )
    if before.time_zone != after.time_zone:
        yield Effect(Words(
            f"Hours of figures, pages and reports are those of {after.time_zone}; the event begins and "
            "ends at the same moments as before.",
            f"수치, 화면, 보고서의 시각은 {after.time_zone} 기준이 됩니다. 행사의 시작과 끝 순간은 그대로입니다.",
        ))  # fmt: skip


def _of_settings(before: Event, after: Event, known: Numbers) -> Iterator[Effect]:
    old, new = before.settings, after.settings
    if old.allow_multiple_checkins != new.allow_multiple_checkins:
        yield Effect(
            Words("An entry while inside opens and counts again, after the window; it is no conflict.",
                  "안에 있는 사람도 다시 입장할 수 있고 집계됩니다. 충돌이 아닙니다.")
            if new.allow_multiple_checkins
            else Words(f"Who is inside can’t enter again without having left: that concerns {known.inside} "
                       "people now.",
                       f"나가지 않은 사람은 다시 입장할 수 없습니다. 지금 {known.inside}명이 해당합니다."),
            grave=not new.allow_multiple_checkins,
        )  # fmt: skip
    if old.allow_reentry_after_exit != new.allow_reentry_after_exit:
        out = known.attended - known.inside
        yield Effect(
            Words("Who has left may come in again.", "나간 사람도 다시 들어올 수 있습니다.")
            if new.allow_reentry_after_exit
            else Words(f"Who has left can’t come in again: that concerns {out} people now.",
                       f"나간 사람은 다시 들어올 수 없습니다. 지금 {out}명이 해당합니다."),
            grave=not new.allow_reentry_after_exit,
        )  # fmt: skip
    if old.duplicate_window_s != new.duplicate_window_s:
        seconds = new.duplicate_window_s
        yield Effect(Words(
            f"A second entry at the same gate within {seconds} s is refused as “just scanned”.",
            f"같은 게이트에서 {seconds}초 안의 두 번째 입장은 ‘방금 확인됨’으로 거절됩니다.",
        ))  # fmt: skip
    if old.signed_tickets is not new.signed_tickets:
        said = {
            SignedTickets.LATE: Words("Tickets issued while the event is live are signed.",
                                      "행사 진행 중 발급하는 티켓만 서명됩니다."),
            SignedTickets.ALWAYS: Words("All tickets issued from now on are signed; their QR is larger "
                                        "and read from less far.",
                                        "지금부터 모든 티켓이 서명됩니다. QR이 커져 읽는 거리가 줄어듭니다."),
            SignedTickets.NEVER: Words("No ticket is signed: one issued while a gate is cut off is "
                                       "refused there until it hears.",
                                       "티켓이 서명되지 않습니다. 연결이 끊긴 게이트는 새 티켓을 거절합니다."),
        }  # fmt: skip
        yield Effect(said[new.signed_tickets], grave=new.signed_tickets is SignedTickets.NEVER)
    if old.default_region != new.default_region:
        yield Effect(Words(
            f"Phone numbers without a country code are read as {new.default_region} in coming imports; "
            "stored ones stay.",
            f"앞으로 가져오는 명단에서 국가 번호 없는 전화번호는 {new.default_region}(으)로 읽습니다. 저장된 번호는 그대로입니다.",
        ))  # fmt: skip
    if old.offline_mode != new.offline_mode:
        yield Effect(Words(
            "Gates are told; this version decides without the server either way.",
            "게이트에 전달되지만, 이 버전은 어느 쪽이든 서버 없이도 판단합니다.",
        ))  # fmt: skip


def _clock(at_ms: int, event: Event) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(event.time_zone))
    return f"{moment:%Y-%m-%d %H:%M}"


def _iso(at_ms: int, event: Event) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(event.time_zone))
    return moment.isoformat(timespec="seconds")
