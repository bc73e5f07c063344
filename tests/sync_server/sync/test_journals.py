"""Holes are found whatever the order and number of what came, and cheaply where one lasts."""

import random

import pytest
from sqlalchemy import insert

from sync_server.storage import schema
from sync_server.sync import journals


def keep(database, numbers):
    rows = [
        {
            "device_id": "dev-north",
            "epoch": "ee",
            "seq": seq,
            "checksum": "c",
            "type": "note",
            "received_ms": 0,
            "unusable": None,
            "body": "{}",
        }
        for seq in numbers
    ]
    if rows:
        database.write_now(lambda conn: conn.execute(insert(schema.entries), rows))


def said(database, **more):
    return database.read_now(lambda conn: journals.received(conn, "dev-north", "ee", **more))


def noted(database):
    return database.write_now(lambda conn: journals.note_journal(conn, "dev-north", "ee", 0, 1_000))


def by_hand(came, lost):
    known = set(came) | {n for first, last in lost for n in range(first, last + 1)}
    through = 0
    while through + 1 in known:
        through += 1
    missing = [n for n in range(1, max(known, default=0) + 1) if n not in known]
    ranges = []
    for n in missing:
        if ranges and ranges[-1][1] == n - 1:
            ranges[-1] = (ranges[-1][0], n)
        else:
            ranges.append((n, n))
    return through, ranges


@pytest.mark.parametrize("seed", range(8))
def test_p2_holes_are_those_of_the_set_however_it_came(database, monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.setattr(journals, "ROWS_PER_PIECE", rng.choice([1, 2, 3, 7]))
    numbers = rng.sample(range(1, 41), rng.randrange(5, 38))
    lost, came = [], []
    while numbers:
        cut = rng.randrange(1, 8)
        piece, numbers = numbers[:cut], numbers[cut:]
        keep(database, piece)
        came += piece
        if rng.random() < 0.3:
            first = rng.randrange(1, 40)
            lost.append((first, first + rng.randrange(3)))
            database.write_now(
                lambda conn: journals.declare_lost(conn, "dev-north", "ee", lost[-1:], 0)
            )
        through, ranges = by_hand(came, lost)
        now = noted(database)
        assert now.contiguous_through == through
        assert now.holes == ranges[: len(now.holes)]
        assert bool(now.holes) == bool(ranges)
        assert said(database).holes == ranges


def test_p2_a_hole_that_lasts_costs_no_walk_over_the_journal(database, monkeypatch):
    monkeypatch.setattr(journals, "ROWS_PER_PIECE", 10)
    keep(database, [*range(2, 500), *range(501, 600)])
    asked = []

    def job(conn):
        execute = conn.execute
        monkeypatch.setattr(conn, "execute", lambda *a: asked.append(a[0]) or execute(*a))
        return journals.received(conn, "dev-north", "ee", first_holes=True)

    now = database.read_now(job)
    assert (now.contiguous_through, now.head, now.holes) == (0, 599, [(1, 1)])
    assert len(asked) < 8
    assert said(database).holes == [(1, 1), (500, 500)]
    keep(database, [1])
    assert noted(database).contiguous_through == 499
