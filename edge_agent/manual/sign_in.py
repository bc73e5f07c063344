"""Who works at this gate: name and PIN against the hashes of this device, sessions of 5 minutes."""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import argon2

from edge_agent.manual.errors import LockedError, NoSessionError, WrongPinError
from shared.limits import (
    MANUAL_SESSION_S,
    MANUAL_SESSIONS_MAX,
    PIN_FAILURES_PER_MINUTE_MAX,
)
from shared.wire import OperatorLine

_WINDOW_S = 60.0
_HASHER = argon2.PasswordHasher()

Operators = Callable[[], Mapping[str, OperatorLine]]
Note = Callable[[str, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Session:
    operator_id: str
    name: str
    until_s: float  # monotonic
    pin_hash: str  # that it was opened with


class SignIn:
    """On the event loop's thread; PINs are checked on another. Wrong tries count for the whole
    gate: who tries names in turn gains nothing. A right PIN forgives its owner's tries alone: nobody
    guesses a colleague's with their own in between.
    """

    def __init__(self, operators: Operators, note: Note, monotonic_s: Callable[[], float]) -> None:
        self._operators = operators
        self._note = note
        self._now_s = monotonic_s
        self._sessions: dict[str, Session] = {}
        self._failed: deque[tuple[float, str | None]] = deque(maxlen=PIN_FAILURES_PER_MINUTE_MAX)
        self._locked_until_s = 0.0
        self._one_at_a_time = asyncio.Lock()  # a check takes 64 MiB

    async def open(self, operator: str, pin: str) -> tuple[str, Session]:
        """A token and its session. WrongPinError, or LockedError after five in a minute."""
        async with self._one_at_a_time:
            self._check_lock()
            found = await asyncio.to_thread(self._find, operator)
            whose = found.operator_id if found else None
            self._count_failure(whose)  # before the check: whatever happens gives no try away
            pin_hash = _nobody() if found is None or not found.pin_hash else found.pin_hash
            right = await asyncio.to_thread(_matches, pin_hash, pin)
            if found is None or not right:
                await self._note("pin_wrong", {"operatorId": whose})
                if self._now_s() < self._locked_until_s:
                    await self._note("pin_locked", {"seconds": round(_WINDOW_S)})
                raise WrongPinError
            self._forgive(found.operator_id)
            await self._note("pin_right", {"operatorId": found.operator_id})
        now_s = self._now_s()
        self._forget(now_s)
        session = Session(found.operator_id, found.name, now_s + MANUAL_SESSION_S, pin_hash)
        token = secrets.token_urlsafe(24)
        self._sessions[token] = session
        return token, session

    async def session(self, token: str | None) -> Session:
        """NoSessionError where it is over, or its operator was shut out or has a new PIN."""
        session = self._sessions.get(token or "")
        if session is None or self._now_s() >= session.until_s:
            raise NoSessionError
        operators = await asyncio.to_thread(self._operators)
        operator = operators.get(session.operator_id)
        if operator is None or not operator.active or operator.pin_hash != session.pin_hash:
            self.close(token)
            raise NoSessionError
        return session

    def close(self, token: str | None) -> None:
        self._sessions.pop(token or "", None)

    def close_all_of(self, session: Session) -> None:
        """The supervisor steps away from the gate."""
        for token in [t for t, s in self._sessions.items() if s == session]:
            del self._sessions[token]

    def _check_lock(self) -> None:
        left_s = self._locked_until_s - self._now_s()
        if left_s > 0:
            raise LockedError(max(1, round(left_s)))

    def _count_failure(self, whose: str | None) -> None:
        now_s = self._now_s()
        while self._failed and now_s - self._failed[0][0] >= _WINDOW_S:
            self._failed.popleft()
        self._failed.append((now_s, whose))
        if len(self._failed) >= PIN_FAILURES_PER_MINUTE_MAX:
            self._locked_until_s = now_s + _WINDOW_S

    def _forgive(self, whose: str) -> None:
        others = [one for one in self._failed if one[1] != whose]
        self._failed.clear()
        self._failed.extend(others)
        self._locked_until_s = 0.0

    def _forget(self, now_s: float) -> None:
        for token in [t for t, s in self._sessions.items() if s.until_s <= now_s]:
            del self._sessions[token]
        while len(self._sessions) >= MANUAL_SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]

    def _find(self, operator: str) -> OperatorLine | None:
        """An active operator with a PIN, by id or by name."""
        for one in self._operators().values():
            if one.active and one.pin_hash and operator in (one.operator_id, one.name):
                return one
        return None


@cache
def _nobody() -> str:
    """For names that are not there: the answer takes as long as for those that are."""
    return _HASHER.hash(secrets.token_hex(8))


def _matches(pin_hash: str, pin: str) -> bool:
    try:
        return _HASHER.verify(pin_hash, pin)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
