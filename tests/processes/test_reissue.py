"""A new ticket revokes the old one at every gate, also one that was away while it happened (P4)."""

from pathlib import Path

import pytest

from tests.processes.fleet import Gate, Server, ending, until

pytestmark = pytest.mark.process


def test_p4_the_old_ticket_is_refused_everywhere_and_the_new_one_admitted(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=3).start()
    near, away = Gate(tmp_path, server, "g1"), Gate(tmp_path, server, "g2")
    with ending(server, near, away):
        near.start()
        person = server.get("/participants/P001")
        old = person["credentials"][0]["code"]
        assert near.would(old) == away.would(old) == "ok"
        new = server.ask("POST", "/participants/P001/credentials", {"kind": "ticket"})["code"]
        until(lambda: near.would(old) == "revoked", "the gate hears of it")
        refused, admitted = near.present(old), near.present(new)
        assert (refused["admitted"], refused["reason"]) == (False, "revoked")
        assert (admitted["admitted"], admitted["participantId"]) == (True, "P001")
        # The other gate was off all the while: it holds the old word until it hears.
        assert away.would(old) == "ok"
        away.start()
        until(lambda: away.would(old) == "revoked", "the other gate hears of it")
        assert away.would(new) in {"already_inside", "just_scanned"}
        # Whoever holds the old one is found by it, and told apart.
        found = server.get(f"/participants?q={old}")
        assert [item["id"] for item in found["items"]] == ["P001"]
        statuses = [held["status"] for held in server.get("/participants/P001")["credentials"]]
        assert sorted(statuses) == ["active", "revoked"]
