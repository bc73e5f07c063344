"""P4, P10: whatever the replica holds, the lane decides as `shared.admission` does on those facts."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.admission import Facts, first_reason
from shared.model import (
    Credential,
    CredentialStatus,
    Direction,
    Moment,
    Participant,
    ParticipantStatus,
    Presence,
)
from shared.wire import format_time
from tests.edge_agent.gate import Gate, code, digest
from tests.edge_agent.storage import lines

MINUTES_AGO = st.none() | st.integers(0, 20)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    credential=st.sampled_from(list(CredentialStatus)),
    person=st.sampled_from(list(ParticipantStatus)),
    active=st.booleans(),
    event=st.sampled_from(["draft", "open", "live", "ended"]),
    required=st.sampled_from([None, "attendance", "vip"]),
    inside=st.booleans(),
    minutes_ago=MINUTES_AGO,
    last_gate=st.sampled_from(["main", "other"]),
    multiple=st.booleans(),
    direction=st.sampled_from(list(Direction)),
)
def test_the_lane_decides_as_the_rules_do(
    credential: CredentialStatus,
    person: ParticipantStatus,
    active: bool,
    event: str,
    required: str | None,
    inside: bool,
    minutes_ago: int | None,
    last_gate: str,
    multiple: bool,
    direction: Direction,
) -> None:
    last_ms = None if minutes_ago is None else lines.NOON_MS - minutes_ago * 60_000
    last = None if last_ms is None else format_time(last_ms)
    with TemporaryDirectory() as folder:
        gate = Gate(Path(folder))
        allowed = lines.wire.SettingsLine(allow_multiple_checkins=multiple)
        gate.list(
            lines.event(status=event, settings=allowed),
            lines.gate(active=active, required_permission=required),
            lines.participant(1, 6, person.value),
            lines.credential(1, 7, digest(1), credential.value),
            lines.presence(
                1,
                8,
                inside=inside,
                last_at=last,
                last_direction=direction if last else None,
                last_gate_id=last_gate if last else None,
                first_entry_at=last,
                last_entry_at=last,
            ),
        )
        try:
            outcome = gate.present(code(1), direction=direction)
            facts = gate.lane.facts
            assert facts.event is not None
            assert facts.gate is not None
            expected = first_reason(
                Facts(
                    event=facts.event,
                    gate=facts.gate,
                    direction=direction,
                    now=Moment(outcome.moment.at_ms, outcome.moment.error_ms),
                    credential=Credential("C1", "P1", status=credential),
                    participant=Participant("P1", person),
                    presence=Presence(
                        inside,
                        last_ms,
                        0,
                        direction if last else None,
                        last_gate if last else None,
                        last_ms,
                        last_ms,
                    ),
                )
            )
            assert outcome.decision.reason is expected
            assert bool(gate.pin.opened) == outcome.decision.admitted
            assert gate.journal.head == 1
        finally:
            gate.close()
