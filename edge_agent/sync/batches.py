"""The next batch to upload: bounded in entries and bytes, what is lost named (P2, P12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from edge_agent.storage.journal import Journal
from edge_agent.sync.session import Upload
from shared.limits import BODY_BYTES_MAX, LOST_RANGES_MAX

BATCH_BYTES_MAX = BODY_BYTES_MAX * 3 // 4  # room for what stands around the entries


class _Head(Protocol):
    head: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries in sequence, the ranges among them that the journal lost, and where it all ends."""

    entries: list[dict[str, Any]]
    lost: list[tuple[int, int]]
    through: int


def make(journal: Journal, command: Upload, heads: Mapping[str, _Head]) -> Batch | None:
    """None where entries wait that are not sealed yet. Blocking, on any thread."""
    first = command.after_seq + 1
    entries = journal.entries_from(first, command.limit, command.epoch)
    if not entries:
        return _all_lost(journal, command, heads[command.epoch].head)
    chosen: list[dict[str, Any]] = []
    lost: list[tuple[int, int]] = []
    room = BATCH_BYTES_MAX
    expected = first
    for entry in entries:
        room -= len(msgspec.json.encode(entry)) + 1
        if (room < 0 and chosen) or len(lost) >= LOST_RANGES_MAX:
            break
        if entry["seq"] > expected:
            lost.append((expected, entry["seq"] - 1))
        chosen.append(entry)
        expected = entry["seq"] + 1
    return Batch(chosen, lost, expected - 1)


def _all_lost(journal: Journal, command: Upload, head: int) -> Batch | None:
    """Nothing readable: unsealed, or damaged to the end of what a batch looks at."""
    if journal.unsealed_in(command.epoch):
        return Batch([], [], command.after_seq) if command.asks_time else None
    end = min(command.after_seq + command.limit, head)
    return Batch([], [(command.after_seq + 1, end)], end)
