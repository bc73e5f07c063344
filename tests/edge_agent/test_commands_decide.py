"""`edge-agent decide`: whatever is typed becomes a text that can be decided on."""

from edge_agent.commands.decide import _as_text
from shared.credentials import Fault, parse


def test_bytes_that_are_no_text_and_endless_codes_are_unreadable() -> None:
    for argument in ("x\udcffy", "GS:" + "A" * 100_000):
        assert parse(_as_text(argument)) is Fault.UNREADABLE
        _as_text(argument).encode()
