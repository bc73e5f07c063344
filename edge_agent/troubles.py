"""What is wrong at this gate, in words for the kiosk, the live page and `edge-agent status` (P11)."""

from collections.abc import Iterable
from typing import Any, Final

from edge_agent.storage.salvage import Report
from shared.reasons import Words

TROUBLES: Final[dict[str, Words]] = {
    "disk_full": Words(
        "The card is full: free some space or change it",
        "저장 공간이 가득 찼습니다. 공간을 비우거나 카드를 교체해 주세요",
    ),
    "disk_read_only": Words(
        "The card can only be read: change it",
        "카드가 읽기 전용이 되었습니다. 카드를 교체해 주세요",
    ),
    "disk_error": Words(
        "The card has errors: change it", "카드에 오류가 있습니다. 카드를 교체해 주세요"
    ),
    "disk_low": Words("The card is nearly full", "저장 공간이 거의 찼습니다"),
    "disk_no_reserve": Words(
        "The card has no reserve left: free some space",
        "예비 저장 공간이 없습니다. 공간을 비워 주세요",
    ),
    "disk_slow": Words("The card is slow", "카드가 느립니다"),
    "replica_damaged": Words(
        "The list was damaged and is fetched again", "명단이 손상되어 다시 받는 중입니다"
    ),
    "journal_salvaged": Words(
        "The journal was damaged: {lost} entries lost, {saved} saved",
        "기록이 손상되었습니다. {lost}건 손실, {saved}건 복구",
    ),
    "device_revoked": Words("This device was revoked", "이 기기의 등록이 해지되었습니다"),
    "device_unconfirmed": Words(
        "Waiting for an operator to confirm this device", "서버 운영자의 기기 확인을 기다립니다"
    ),
    "replica_differs": Words(
        "The list differs from the server's", "명단이 서버와 일치하지 않습니다"
    ),
    "server_newer": Words(
        "The server sends what this version does not understand: update this device",
        "서버가 이 버전에서 이해할 수 없는 정보를 보냅니다. 기기를 업데이트해 주세요",
    ),
    "card_rolled_back": Words(
        "This card is older than what the server holds: was it cloned?",
        "카드가 서버 기록보다 오래되었습니다. 복제된 카드인지 확인해 주세요",
    ),
    "entries_mismatch": Words(
        "Another card with this gate's name is in use: a clone?",
        "이 게이트의 복제 카드가 사용 중일 수 있습니다",
    ),
}


def say(code: str, **values: object) -> dict[str, Any]:
    words = TROUBLES[code]
    return {"code": code, "en": words.en.format(**values), "ko": words.ko.format(**values)}


def of_journals(reports: Iterable[Report]) -> list[dict[str, Any]]:
    """Told until the damaged file is taken away from the folder."""
    return [
        say("journal_salvaged", lost=report.lost, saved=report.saved) | {"file": report.aside}
        for report in reports
    ]
