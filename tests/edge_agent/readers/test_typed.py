"""Codes that a person types: slips are put right or named as such (P11)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.kiosk.screens import MISTYPED, decision_frame
from edge_agent.ports import Outcome, Sighting
from edge_agent.readers.typed import TypedReader
from shared import reasons
from shared.credentials import ALPHABET, readable
from tests.edge_agent.gate import Gate, code, letters

TYPED = readable("TCF24", letters(1))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    gate.list()
    yield gate
    gate.close()


def type_in(gate: Gate, text: str) -> Outcome:
    seen = TypedReader().take(text)
    sighting = Sighting(seen.kind, seen.payload, None, gate.clocks.boot, seen.source)
    return gate.lane.present(sighting)


@pytest.mark.parametrize(
    "text",
    [
        TYPED,
        TYPED.lower(),
        TYPED.replace("-", " "),
        TYPED.replace("-", ""),
        TYPED[6:],
        TYPED.replace("0", "O"),
        TYPED.replace("0", "o").replace("1", "l"),
        TYPED.replace("1", "I"),
        f"]Q1\\000026{code(1)}\r\n",
        f"  {TYPED}\t",
    ],
)
def test_what_people_and_scanners_do_to_a_code_is_forgiven(gate: Gate, text: str) -> None:
    assert type_in(gate, text).decision.admitted


@pytest.mark.parametrize("place", range(17))
def test_p11_every_single_mistyped_letter_is_called_mistyped_never_unknown(
    gate: Gate, place: int
) -> None:
    right = letters(1)
    wrong = ALPHABET[(ALPHABET.index(right[place]) + 7) % 32]
    outcome = type_in(gate, "TCF24" + right[:place] + wrong + right[place + 1 :])
    assert outcome.decision.reason is reasons.Reason.UNREADABLE
    frame = decision_frame(outcome)
    assert frame["screen"] == MISTYPED.as_json()
    assert frame["screen"]["title"] == {"en": "Mistyped", "ko": "잘못 입력되었습니다"}
    assert frame["message"] == reasons.MISTYPED.as_json()


@pytest.mark.parametrize("text", ["hello", TYPED[:-1], TYPED + "7", "12345"])
def test_too_short_too_long_or_no_code_at_all_is_mistyped_too(gate: Gate, text: str) -> None:
    assert decision_frame(type_in(gate, text))["screen"] == MISTYPED.as_json()


def test_a_well_typed_code_that_is_not_on_the_list_is_unknown(gate: Gate) -> None:
    outcome = type_in(gate, readable("TCF24", letters(99)))
    assert outcome.decision.reason is reasons.Reason.UNKNOWN


def test_what_a_camera_misread_is_not_called_mistyped(gate: Gate) -> None:
    frame = decision_frame(gate.present("GS:TCF24" + "0" * 16 + "Z"))
    assert frame["screen"]["title"]["en"] == "Not a ticket code"


def test_p12_the_eleventh_slip_in_a_minute_is_answered_though_not_recorded(gate: Gate) -> None:
    told: list[Outcome] = []
    gate.lane.on_outcome.append(told.append)
    for _ in range(12):
        type_in(gate, "slip")
    assert len(told) == 12
    assert [outcome.scan_id is None for outcome in told] == [False] * 10 + [True] * 2


def test_an_events_tag_is_forgiven_its_misread_letters(gate: Gate) -> None:
    from shared.credentials import same_tag

    assert same_tag("CON01", "C0NOI")
    assert not same_tag("CON01", "CON02")


def test_health_counts_codes_and_slips() -> None:
    reader = TypedReader()
    reader.take(TYPED)
    reader.take("slip")
    assert reader.health().figures["codes"] == 2
    assert reader.health().figures["mistyped"] == 1
