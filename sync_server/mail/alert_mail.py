"""Alerts by mail: the handler `mail` of the stream. What is raised and what is over, once each."""

from collections.abc import Callable

from sync_server.insight.alerts import CLEARED, RAISED
from sync_server.mail import queue
from sync_server.mail.queue import Kind
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.stream.handlers import Envelope


class AlertMail:
    """Queues a mail to each address; the queue knows an envelope that comes again by its id."""

    name = "mail"
    types = frozenset({RAISED, CLEARED})

    def __init__(
        self, database: Store, vault: Vault, addresses: tuple[str, ...],
        now_ms: Callable[[], int], wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._database, self._vault = database, vault
        self._addresses, self._now_ms, self._wake = addresses, now_ms, wake

    async def handle(self, envelope: Envelope) -> None:
        rows = [
            {
                "key": f"alert:{envelope.id}:{place}",
                "kind": Kind.ALERT.value,
                "address": self._vault.seal(address),
                "data": {"type": envelope.type, "alert": envelope.data},
            }
            for place, address in enumerate(self._addresses)
        ]
        now_ms = self._now_ms()
        await self._database.write(lambda conn: queue.put(conn, rows, now_ms))
        self._wake()
