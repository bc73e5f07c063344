"""PINs at the gate: what locks, what is noted, what ends a session."""

from typing import Any

import argon2
import msgspec
import pytest

from edge_agent.manual.errors import LockedError, NoSessionError, WrongPinError
from edge_agent.manual.sign_in import SignIn
from shared.limits import MANUAL_SESSION_S
from shared.wire import OperatorLine

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Gate:
    """Its operators, its notes and its clock."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.notes: list[str] = []
        self.operator = OperatorLine(
            revision=1,
            hash="",
            operator_id="op-1",
            name="Kim",
            active=True,
            pin_hash=CHEAP.hash("1"),
        )
        self.other = msgspec.structs.replace(
            self.operator, operator_id="op-2", name="Lee", pin_hash=CHEAP.hash("2")
        )
        people = {"op-1": self.operator, "op-2": self.other}
        self.desk = SignIn(lambda: people, self._note, lambda: self.now_s)

    async def _note(self, text: str, _data: dict[str, Any]) -> None:
        self.notes.append(text)


async def wrong(gate: Gate, times: int) -> None:
    for _ in range(times):
        with pytest.raises(WrongPinError):
            await gate.desk.open("Kim", "0")


async def test_p12_five_wrong_pins_lock_for_a_minute_and_each_is_noted() -> None:
    gate = Gate()
    await wrong(gate, 5)
    assert gate.notes == ["pin_wrong"] * 5 + ["pin_locked"]
    for later_s in (0, 59):
        gate.now_s = 1_000 + later_s
        with pytest.raises(LockedError) as caught:
            await gate.desk.open("Kim", "1")
        assert caught.value.retry_after_s == 60 - later_s
    gate.now_s = 1_060
    await gate.desk.open("op-1", "1")
    assert gate.notes[-1] == "pin_right"


async def test_four_wrong_ones_and_a_right_one_start_the_count_anew() -> None:
    gate = Gate()
    for _ in range(3):
        await wrong(gate, 4)
        await gate.desk.open("Kim", "1")


async def test_who_has_a_pin_cannot_guess_a_colleagues_with_it_in_between() -> None:
    gate = Gate()
    await wrong(gate, 4)
    await gate.desk.open("Lee", "2")
    await gate.desk.open("Lee", "2")  # what others did wrong shuts out nobody who knows
    await wrong(gate, 1)
    with pytest.raises(LockedError):
        await gate.desk.open("Kim", "1")
    gate.now_s += 60
    await gate.desk.open("Kim", "1")


async def test_a_session_lasts_five_minutes() -> None:
    gate = Gate()
    token, _ = await gate.desk.open("Kim", "1")
    gate.now_s += MANUAL_SESSION_S - 1
    assert (await gate.desk.session(token)).name == "Kim"
    gate.now_s += 1
    with pytest.raises(NoSessionError):
        await gate.desk.session(token)


@pytest.mark.parametrize("change", [{"active": False}, {"pin_hash": None}, {"pin_hash": "another"}])
async def test_who_is_shut_out_or_has_a_new_pin_is_out_at_once(change: dict[str, Any]) -> None:
    gate = Gate()
    token, _ = await gate.desk.open("Kim", "1")
    for name, value in change.items():
        setattr(gate.operator, name, value)
    with pytest.raises(NoSessionError):
        await gate.desk.session(token)
