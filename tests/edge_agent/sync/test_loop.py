"""The loop against a real server on loopback: P2, P5, P7, P8 over a network that misbehaves."""

import asyncio
import contextlib
import sqlite3
import time

import pytest
import structlog

from edge_agent import system_clock
from edge_agent.identity import DeviceKey, Identity
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.sync import session as session_module
from edge_agent.sync import transport as transport_module
from edge_agent.sync.loop import SyncLoop
from edge_agent.sync.transport import HttpTransport
from edge_agent.timekeeper import Timekeeper
from shared import wire
from tests.edge_agent.storage import lines
from tests.edge_agent.sync.fake_server import DEVICE, EVENT, FakeServer

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # the fake server's joserfc


class WallClock:
    """The machine's clocks, with a wall clock that stands elsewhere."""

    def __init__(self, off_ms: int = 0) -> None:
        self.off_ms = off_ms

    def boot_ms(self) -> int:
        return system_clock.boot_ms()

    def wall_ms(self) -> int:
        return system_clock.wall_ms() + self.off_ms

    def boot_id(self) -> str:
        return "boot-1"


class Gate:
    def __init__(self, folder, server, *, wall_off_ms=0):
        self.server = server
        key = DeviceKey.load_or_make(folder)
        server.public_key = key.public_text
        identity = Identity(
            device_id=DEVICE,
            gate_id="main",
            event_id=EVENT,
            server_url=server.url,
            server_key="",
            digest_key="",
            certificate="",
        )
        self.journal = Journal.open(folder / "journal.db", new_epoch=lambda: "e1")
        self.replica = Replica.open(folder / "replica.db")
        self.clock = WallClock(wall_off_ms)
        self.time = Timekeeper(self.clock, folder / "clock.json", enrolled_at_ms=server.now_ms())
        self.transport = HttpTransport(server.url, self.clock.boot_ms)
        self.loop = SyncLoop(
            identity=identity,
            key=key,
            journal=self.journal,
            replica=self.replica,
            timekeeper=self.time,
            transport=self.transport,
            on_lane=asyncio.to_thread,
            monotonic_s=time.monotonic,
            jitter=lambda: 0.1,
        )

    def scan(self, count=1):
        for _ in range(count):
            body = {
                "scanId": f"s{self.journal.head + 1}",
                "bootId": self.clock.boot_id(),
                "bootMs": self.clock.boot_ms(),
                "wallAt": wire.format_time(max(self.clock.wall_ms(), 0)),
                "admitted": True,
            }
            self.journal.append_scan(body, at_ms=self.clock.wall_ms())
        self.loop.wake()

    async def arrived(self, count):
        await until(lambda: self.server.through("e1") >= count)
        await until(lambda: self.loop.state().waiting == 0)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.get_running_loop().create_task(self.loop.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.transport.aclose()
            self.journal.close()
            self.replica.close()


async def until(condition, *, within_s=8.0):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def server():
    fake = FakeServer()
    await fake.start()
    yield fake
    await fake.stop()


async def test_lists_come_down_and_scans_go_up(tmp_path, server):
    gate = Gate(tmp_path, server)
    gate.scan(3)
    async with gate.running():
        await gate.arrived(3)
        await until(lambda: gate.loop.state().cursor == "g1.3")
        gate.scan()
        await gate.arrived(4)
        state = gate.loop.state()
        assert state.online
        assert state.clock.quality == "synced"
        assert state.alarms == ()
        assert gate.replica.sync_state("e1").acknowledged_through == 4
        await until(lambda: server.statuses)
        assert server.statuses[0]["epoch"] == "e1"
    assert all(wire.checksum(e) == e["checksum"] for e in server.entries["e1"].values())


async def test_p2_a_backlog_goes_up_in_batches_each_once(tmp_path, server):
    gate = Gate(tmp_path, server)
    gate.scan(1_100)
    async with gate.running():
        await gate.arrived(1_100)
    assert sorted(server.entries["e1"]) == list(range(1, 1_101))
    assert max(server.batches) <= 500
    assert sum(server.batches) == 1_100


async def test_p2_an_answer_swallowed_after_the_commit_brings_the_same_again(tmp_path, server):
    server.trouble["scans"] = ["swallow", "swallow"]
    gate = Gate(tmp_path, server)
    gate.scan(5)
    async with gate.running():
        await gate.arrived(5)
    assert server.batches == [5, 5, 5]


async def test_p7_a_page_cut_short_is_not_applied(tmp_path, server):
    server.trouble["changes"] = ["cut", "garbage", 500]
    gate = Gate(tmp_path, server)
    async with gate.running():
        await until(lambda: server.asked["changes"] >= 3)
        assert gate.replica.cursor() is None
        await until(lambda: gate.loop.state().cursor == "g1.3")


async def test_p2_the_server_is_away_and_comes_back(tmp_path, server):
    gate = Gate(tmp_path, server)
    async with gate.running():
        gate.scan(2)
        await gate.arrived(2)
        await server.stop()
        gate.scan(3)
        await until(lambda: not gate.loop.state().online)
        assert gate.loop.state().waiting == 3
        assert gate.loop.state().offline_since_ms is not None
        await server.start()
        await gate.arrived(5)
        assert gate.loop.state().online


async def test_p5_a_server_that_hangs_on_changes_does_not_hold_up_the_scans(tmp_path, server):
    server.trouble["changes"] = ["hang"] * 5
    gate = Gate(tmp_path, server)
    async with gate.running():
        gate.scan(3)
        await gate.arrived(3)


async def test_p5_a_server_that_answers_nothing_times_out(tmp_path, server, monkeypatch):
    monkeypatch.setattr(transport_module, "UPLOAD_READ_S", 0.2)
    server.trouble["scans"] = ["hang", "hang"]
    gate = Gate(tmp_path, server)
    async with gate.running():
        gate.scan()
        await gate.arrived(1)
    assert server.asked["scans"] == 3


async def test_p8_a_clock_of_1970_gets_a_token_and_right_times(tmp_path, server):
    gate = Gate(tmp_path, server, wall_off_ms=-system_clock.wall_ms())
    before = server.now_ms()
    gate.scan()
    async with gate.running():
        await gate.arrived(1)
    entry = server.entries["e1"][1]
    assert server.asked["token"] == 2
    assert entry["timeQuality"] == "synced"
    assert abs(wire.parse_time(entry["occurredAt"]) - before) < 2_000 + entry["timeErrorMs"]


async def test_p8_the_servers_clock_counts_not_ours(tmp_path, server):
    server.ahead_ms = 3 * 3_600_000
    gate = Gate(tmp_path, server)
    async with gate.running():
        gate.scan()
        await gate.arrived(1)
        assert abs(gate.loop.state().clock.offset_ms + server.ahead_ms) < 2_000
    occurred = wire.parse_time(server.entries["e1"][1]["occurredAt"])
    assert abs(occurred - server.now_ms()) < 30_000


async def test_a_token_thrown_away_by_the_server_is_replaced(tmp_path, server):
    gate = Gate(tmp_path, server)
    async with gate.running():
        gate.scan()
        await gate.arrived(1)
        server.tokens.clear()
        gate.scan()
        await gate.arrived(2)


async def test_p2_a_server_restored_from_a_backup_is_refilled(tmp_path, server):
    gate = Gate(tmp_path, server)
    async with gate.running():
        gate.scan(10)
        await gate.arrived(10)
        server.generation = "g2"
        server.entries["e1"] = {seq: e for seq, e in server.entries["e1"].items() if seq <= 4}
        await gate.arrived(10)
        await until(lambda: gate.loop.state().generation == "g2")


async def test_a_revoked_device_forgets_its_lists_and_still_uploads(tmp_path, server):
    gate = Gate(tmp_path, server)
    async with gate.running():
        await until(lambda: gate.loop.state().cursor == "g1.3")
        server.trouble["changes"] = [403] * 10
        await until(lambda: gate.loop.state().revoked)
        await until(lambda: gate.replica.live_cursor() is None)
        asked = server.asked["changes"]
        gate.scan()
        await gate.arrived(1)
        assert server.asked["changes"] == asked
        assert "device_revoked" in gate.loop.state().alarms


async def test_p9_a_gate_revoked_while_its_list_is_half_fetched_keeps_nobody(tmp_path, server):
    """Found by the simulation: power lost between two pages, then revoked; the half stayed."""
    gate = Gate(tmp_path, server)
    gate.replica.apply_page([lines.participant(1, 3)], lines.page(3, more=True))
    server.trouble["changes"] = [403] * 10
    server.trouble["status"] = [403] * 100
    async with gate.running():
        await until(lambda: gate.loop.state().revoked)
        await until(lambda: gate.replica.rows_so_far() == 0 and gate.replica.cursor() is None)
        assert not gate.replica.wipe()


async def test_p9_a_full_disk_does_not_end_the_sync_of_a_revoked_device(
    tmp_path, server, monkeypatch
):
    """Found by the simulation: the wipe that failed ended the loop, and with it the uploads."""
    monkeypatch.setattr(session_module, "STATUS_INTERVAL_S", 0.2)
    gate = Gate(tmp_path, server)
    wipe, refusals = gate.replica.wipe, []

    def full_at_first():
        if len(refusals) < 2:
            refusals.append(1)
            raise sqlite3.OperationalError("database or disk is full")
        return wipe()

    monkeypatch.setattr(gate.replica, "wipe", full_at_first)
    async with gate.running():
        await until(lambda: gate.loop.state().cursor == "g1.3")
        server.trouble["changes"] = [403] * 10
        server.trouble["status"] = [403] * 100
        await until(lambda: gate.replica.live_cursor() is None)
        gate.scan()
        await gate.arrived(1)


async def test_p12_a_full_disk_is_said_in_one_line_and_the_scans_still_go_up(
    tmp_path, server, monkeypatch
):
    """P2: a card that takes nothing more must not keep its scans from the server."""
    gate = Gate(tmp_path, server)

    def full(*_said):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(gate.replica, "record_ack", full)
    gate.scan(5)
    with structlog.testing.capture_logs() as lines:
        async with gate.running():
            await gate.arrived(5)
            await until(lambda: gate.loop.state().acknowledged == 5)
    said = [line["event"] for line in lines if line.get("channel") == "up"]
    assert said == ["sync.failed"]


async def test_p6_a_poison_answer_does_not_end_the_loop(tmp_path, server):
    gate = Gate(tmp_path, server)
    good, gate.journal.entries_from = gate.journal.entries_from, None
    async with gate.running():
        gate.scan()
        await until(lambda: gate.loop.state().last_error is not None)
        gate.journal.entries_from = good
        await gate.arrived(1)


async def test_a_stale_journal_head_is_no_rolled_back_card(tmp_path, server, monkeypatch):
    """P2: scans written while an exchange is under way are in its answer; the head that the session
    was told before the exchange must not make that answer look like a card that went back.
    """
    gate = Gate(tmp_path, server)
    gate.scan(3)
    raced = []

    def race(name):
        exchange = getattr(gate.transport, name)

        async def with_scans(token, request):
            answer = await exchange(token, request)
            if name not in raced:
                gate.scan(2)  # a visitor, while the answer travels
                answer[0].contiguous_through = gate.journal.head  # the server has got them already
                raced.append(name)
            return answer

        monkeypatch.setattr(gate.transport, name, with_scans)

    async with gate.running():
        await gate.arrived(3)
        for name in ("scans", "status"):
            race(name)
            gate.scan()
            gate.loop._session._status_due_s = 0.0
            gate.loop._stir()
            await until(lambda name=name: name in raced)
            await gate.arrived(gate.journal.head)
        state = gate.loop.state()
    assert gate.journal.epoch == "e1"
    assert "card_rolled_back" not in state.alarms
