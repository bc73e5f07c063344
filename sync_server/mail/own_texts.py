"""An organiser's own words, kept. Every function is one job inside a transaction."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from shared.wire import format_time
from sync_server.mail.settings import LANGUAGES
from sync_server.mail.texts import DEFAULTS, Texts
from sync_server.storage.mail_tables import mail_texts
from sync_server.storage.outbox import emit


def keep(conn: Connection, language: str, texts: Texts, who: str, now_ms: int) -> None:
    """Texts that `check` has let pass."""
    forget(conn, language, now_ms, tell=False)
    conn.execute(
        insert(mail_texts).values(
            language=language, subject=texts.subject, body=texts.body, changed_ms=now_ms,
            changed_by=who,
        )
    )  # fmt: skip
    emit(conn, [("mail_text.changed", {"language": language})], now_ms)


def forget(conn: Connection, language: str, now_ms: int, *, tell: bool = True) -> None:
    """Back to ours."""
    gone = conn.execute(delete(mail_texts).where(mail_texts.c.language == language)).rowcount
    if gone and tell:
        emit(conn, [("mail_text.changed", {"language": language})], now_ms)


def all_texts(conn: Connection) -> list[dict[str, Any]]:
    """One for each language."""
    held = {row.language: row for row in conn.execute(select(mail_texts))}
    return [
        {
            "language": language,
            "subject": held[language].subject if language in held else DEFAULTS[language].subject,
            "body": held[language].body if language in held else DEFAULTS[language].body,
            "own": language in held,
            "changedAt": format_time(held[language].changed_ms) if language in held else None,
            "changedBy": held[language].changed_by if language in held else None,
        }
        for language in LANGUAGES
    ]
