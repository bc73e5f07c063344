"""What a server says of its backups (P12: the loss window is stated)."""

from pathlib import Path

from sync_server.backups import Backups
from sync_server.config import Config
from sync_server.storage.backup_folder import note_backup
from sync_server.storage.paths import DataFolder

NOW_MS = 1_760_000_000_000


def test_the_age_of_the_last_is_told_and_when_the_next_is_overdue(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    asked = Backups(folder, "", Config(backup_to="kept", backup_every_s=60))
    by_hand = Backups(folder, "", Config())
    assert by_hand.state(NOW_MS) is None
    assert asked.state(NOW_MS) == {"at": None, "ageS": None, "overdue": True}
    note_backup(folder, NOW_MS, tmp_path / "copy")
    at = "2025-10-09T08:53:20.000Z"
    assert asked.state(NOW_MS + 180_999) == {"at": at, "ageS": 180, "overdue": False}
    assert asked.state(NOW_MS + 181_000) == {"at": at, "ageS": 181, "overdue": True}
    assert by_hand.state(NOW_MS + 900_000) == {"at": at, "ageS": 900, "overdue": False}
    folder.last_backup.write_text("{")
    assert by_hand.state(NOW_MS) is None
