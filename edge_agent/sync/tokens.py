"""The access token, asked for with an assertion by the device's key (API §2 oauth/token)."""

import secrets

from edge_agent.identity import DeviceKey, Identity
from edge_agent.sync.transport import AnsweredError, Transport
from edge_agent.timekeeper import Timekeeper

ASSERTION_LIVES_S = 240
WRONG_BY_MS = 2_000  # Date has whole seconds
BAD_REQUEST, UNAUTHORIZED = 400, 401


class TokenSource:
    """Holds the current token. A Pi's clock may say 1970: then the server's Date header helps."""

    def __init__(
        self, identity: Identity, key: DeviceKey, timekeeper: Timekeeper, transport: Transport
    ) -> None:
        self._identity = identity
        self._key = key
        self._timekeeper = timekeeper
        self._transport = transport
        self._date_minus_boot_ms: int | None = None
        self.token = ""

    async def renew(self) -> float:
        """Get a token; returns how many seconds it lives. One correction of the clock is tried."""
        now_ms = self._best_now_ms()
        try:
            return await self._ask(now_ms)
        except AnsweredError as error:
            date_ms = error.date_ms
            if error.failure.status not in {400, 401} or date_ms is None:
                raise
            if abs(date_ms - now_ms) < WRONG_BY_MS:
                return await self._ask_forgotten(now_ms, error)
            self._date_minus_boot_ms = date_ms - self._timekeeper.boot_ms()
            try:
                return await self._ask(date_ms)
            except AnsweredError as second:
                return await self._ask_forgotten(date_ms, second)

    async def _ask_forgotten(self, now_ms: int, refused: AnsweredError) -> float:
        """A server that came back from an old backup, or from nothing but its keys, does not know
        this device: show it the certificate that it signed (DESIGN §5).
        """
        if refused.failure.status != UNAUTHORIZED:
            raise refused
        try:
            return await self._ask(now_ms, self._identity.certificate)
        except AnsweredError as error:
            # A server before this way was known refuses the field: its first word stands.
            raise refused if error.failure.status == BAD_REQUEST else error from refused

    def _best_now_ms(self) -> int:
        moment, quality = self._timekeeper.now()
        if quality != "synced" and self._date_minus_boot_ms is not None:
            return self._timekeeper.boot_ms() + self._date_minus_boot_ms
        return moment.at_ms

    async def _ask(self, now_ms: int, certificate: str | None = None) -> float:
        assertion = self._key.assertion(
            self._identity.device_id,
            self._identity.event_id,
            now_ms // 1_000,
            lives_s=ASSERTION_LIVES_S,
            jti=secrets.token_urlsafe(16),
        )
        answer = await self._transport.token(assertion, certificate)
        self.token = answer.access_token
        return float(answer.expires_in)
