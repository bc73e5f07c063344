"""`edge-agent enrol` against a small real server: what is kept, what is refused, what is resumed."""

import asyncio
import hashlib
import io
import json
import stat

import pytest

from edge_agent.commands import enrol as enrol_module
from edge_agent.commands.enrol import EnrolmentRefusedError, enrol, parse_code
from edge_agent.folder import FolderBusyError, FolderLock, GateFolder
from edge_agent.identity import (
    CertificateError,
    DeviceKey,
    b64_decode,
    b64_encode,
    is_enrolled,
    key_matches,
    load_identity,
)
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from shared.errors import UsageError
from tests.edge_agent.sync.fake_server import DEVICE, EVENT, FakeServer

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # the fake server's joserfc


@pytest.fixture
async def server():
    fake = FakeServer()
    await fake.start()
    yield fake
    await fake.stop()


async def run_enrol(data, server, code="GOOD"):
    out = io.StringIO()
    status = await asyncio.to_thread(enrol, data, server.url, code, out)
    return status, out.getvalue()


async def test_a_code_makes_an_identity_and_brings_the_list(tmp_path, server):
    data = tmp_path / "gate"
    status, said = await run_enrol(data, server)
    assert status == 0
    assert "main" in said
    identity = load_identity(data)
    assert (identity.device_id, identity.event_id, identity.gate_id) == (DEVICE, EVENT, "main")
    assert identity.server_url == server.url
    assert server.now_ms() - identity.enrolled_at_ms < 60_000
    for name in ("identity.json", "device.key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
    assert len((data / "device.key").read_bytes()) == 32
    replica = Replica.open(data / "replica.db")
    assert replica.live_cursor() == "g1.3"
    replica.close()


async def test_p9_the_private_key_never_leaves_the_device(tmp_path, server):
    await run_enrol(tmp_path, server)
    assert DeviceKey.load(tmp_path).public_text == server.public_key
    secret = b64_encode((tmp_path / "device.key").read_bytes())
    assert secret not in (tmp_path / "identity.json").read_text()


async def test_the_url_with_the_servers_fingerprint_is_a_code(tmp_path, server):
    mark = hashlib.sha256(b64_decode(server.key_text)).hexdigest()[:16]
    status, _ = await run_enrol(tmp_path, server, f"{server.url}/enrol#code=GOOD&key={mark}")
    assert status == 0


async def test_a_server_with_another_key_is_not_believed(tmp_path, server):
    url = f"{server.url}/enrol?code=GOOD&key={'0' * 16}"
    with pytest.raises(CertificateError):
        await run_enrol(tmp_path, server, url)
    assert not is_enrolled(tmp_path)


@pytest.mark.parametrize("member", ["deviceId", "publicKey", "gateId", "eventId", "digestKey"])
async def test_what_the_certificate_does_not_sign_is_not_believed(tmp_path, server, member):
    server.forged_claims = {member: "another"}
    with pytest.raises(CertificateError, match=member):
        await run_enrol(tmp_path, server)
    assert not is_enrolled(tmp_path)


async def test_a_wrong_code_is_one_line(tmp_path, server):
    with pytest.raises(EnrolmentRefusedError, match="No such code") as refused:
        await run_enrol(tmp_path, server, "WRONG")
    assert "\n" not in str(refused.value)
    status, _ = await run_enrol(tmp_path, server)
    assert status == 0


async def test_an_enrolled_folder_stays_as_it_is(tmp_path, server):
    await run_enrol(tmp_path, server)
    before = (tmp_path / "identity.json").read_bytes()
    with pytest.raises(UsageError, match="already enrolled"):
        await run_enrol(tmp_path, server)
    assert (tmp_path / "identity.json").read_bytes() == before
    assert server.asked["enrol"] == 1


async def test_cut_short_after_the_code_was_spent_it_goes_on_with_the_list(
    tmp_path, server, capsys
):
    server.trouble["changes"] = [500]
    status, _ = await run_enrol(tmp_path, server)
    assert status == 3
    assert "fetches it" in capsys.readouterr().err
    status, _ = await run_enrol(tmp_path, server, "SPENT")
    assert status == 0
    assert server.asked["enrol"] == 1


async def test_cut_short_before_it_keeps_the_key_that_was_made(tmp_path, server):
    server.trouble["enrol"] = [503]
    with pytest.raises(EnrolmentRefusedError):
        await run_enrol(tmp_path, server)
    key = (tmp_path / "device.key").read_bytes()
    await run_enrol(tmp_path, server)
    assert (tmp_path / "device.key").read_bytes() == key


async def test_p7_the_first_list_survives_a_page_that_breaks_off(tmp_path, server):
    server.trouble["changes"] = ["cut", None, "cut"]
    status, _ = await run_enrol(tmp_path, server)
    assert status == 0


async def test_nobody_there_is_one_line(tmp_path, server):
    await server.stop()
    with pytest.raises(UsageError, match="sync-server serve"):
        await run_enrol(tmp_path, server)
    await server.start()


@pytest.mark.parametrize("url", ["", "gate", "ftp://x", "http://", "http://x:99999"])
def test_no_address_is_one_line(tmp_path, url):
    with pytest.raises(UsageError, match="--server"):
        enrol(tmp_path, url, "GOOD")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written"):
        enrol_module._prepare_folder(tmp_path / "file" / "gate")


def test_codes_as_people_give_them():
    assert parse_code(" ABCD-EFGH ").code == "ABCD-EFGH"
    for mark in "#?":
        code = parse_code(f"https://s.example/enrol{mark}code=AB-CD&key=ff")
        assert (code.code, code.key) == ("AB-CD", "ff")
    for wrong in ("", "  ", "https://s.example/enrol", "x" * 5_000):
        with pytest.raises(UsageError):
            parse_code(wrong)


def test_a_fingerprint_too_short_proves_nothing():
    key = b64_encode(b"k" * 32)
    digest = hashlib.sha256(b"k" * 32).hexdigest()
    assert key_matches(key, digest)
    assert key_matches(key, digest[:16].upper())
    assert not key_matches(key, digest[:15])
    assert not key_matches(key, "")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"deviceId":1}'])
def test_a_damaged_identity_is_one_line(tmp_path, damage):
    (tmp_path / "identity.json").write_bytes(damage)
    with pytest.raises(UsageError, match="can't be read"):
        load_identity(tmp_path)


def test_a_damaged_key_is_one_line(tmp_path):
    (tmp_path / "device.key").write_bytes(b"short")
    with pytest.raises(UsageError, match="5 bytes"):
        DeviceKey.load(tmp_path)


async def test_identity_is_plain_json(tmp_path, server):
    await run_enrol(tmp_path, server)
    assert set(json.loads((tmp_path / "identity.json").read_text())) >= {
        "deviceId",
        "gateId",
        "eventId",
        "serverUrl",
        "serverKey",
        "digestKey",
        "certificate",
        "name",
    }


async def again(data, server, code="GOOD"):
    out = io.StringIO()
    status = await asyncio.to_thread(enrol, data, server.url, code, out, again=True)
    return status, out.getvalue()


async def test_p2_again_keeps_key_and_journal_and_believes_no_acknowledgement(tmp_path, server):
    await run_enrol(tmp_path, server)
    key = (tmp_path / "device.key").read_bytes()
    journal = Journal.open(tmp_path / "journal.db", new_epoch=lambda: "00000000000000aa")
    journal.append_note({"note": "wrong_pin"}, at_ms=1)
    journal.close()
    replica = Replica.open(tmp_path / "replica.db")
    replica.record_ack("00000000000000aa", 1, "g1.3")
    replica.close()
    status, said = await again(tmp_path, server)
    assert status == 0
    assert "its 1 entries will be offered" in said
    assert (tmp_path / "device.key").read_bytes() == key
    replica = Replica.open(tmp_path / "replica.db")
    assert replica.sync_state("00000000000000aa").acknowledged_through == 0
    replica.close()
    kept = Journal.open(tmp_path / "journal.db", new_epoch=lambda: "never")
    assert kept.epochs() == [("00000000000000aa", 1)]
    kept.close()


async def test_again_takes_no_journal_to_another_event(tmp_path, server):
    await run_enrol(tmp_path, server)
    path = tmp_path / "identity.json"
    other = json.loads(path.read_text()) | {"eventId": "another-event"}
    path.write_text(json.dumps(other))
    with pytest.raises(UsageError, match="journal of the event another-event"):
        await again(tmp_path, server)
    assert json.loads(path.read_text()) == other


async def test_again_needs_an_enrolled_folder_that_nobody_uses(tmp_path, server):
    with pytest.raises(UsageError, match="not enrolled yet"):
        await again(tmp_path / "empty", server)
    await run_enrol(tmp_path, server)
    with FolderLock(GateFolder(tmp_path)), pytest.raises(FolderBusyError):
        await again(tmp_path, server)
