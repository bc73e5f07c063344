"""An alert as a mail: in Korean and English, since who gets it has no wish noted; pure."""

from collections.abc import Mapping
from typing import Any

from sync_server.mail.texts import Texts, one_line

_RAISED, _OVER = "alert.raised", "alert.cleared"


def alert_texts(data: Mapping[str, Any], event: str) -> Texts:
    """`data`: the type of the envelope and the alert, as `insight.alerts` tells it."""
    alert, over = data["alert"], data["type"] == _OVER
    said = alert["message"]
    mark = {"ko": "해제", "en": "over"} if over else {"ko": "알림", "en": "alert"}
    when = alert["clearedAt"] if over else alert["raisedAt"]
    subject = f"[{event}] {mark['ko']}/{mark['en']}: {said['ko']}"
    body = (
        f"{said['ko']}\n{'해제된 시각' if over else '발생한 시각'}: {when}\n\n"
        f"{said['en']}\n{'Over since' if over else 'Raised at'}: {when}\n\n"
        f"{alert['type']} · {alert['id']}\n"
    )
    return Texts(one_line(subject)[:200], body)
