"""Where things lie in a server's data folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder that `--data` names: the database, the keys, the lock, the control socket."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "sync.db"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.database.absolute()}"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def keys(self) -> Path:
        """Raw 32-byte keys, mode 0600, backed up apart from the data."""
        return self.path / "keys"

    @property
    def server_key(self) -> Path:
        return self.keys / "server_ed25519.key"

    @property
    def digest_key(self) -> Path:
        return self.keys / "digest.key"

    @property
    def master_key(self) -> Path:
        return self.keys / "master.key"

    @property
    def key_files(self) -> tuple[Path, ...]:
        return (self.server_key, self.digest_key, self.master_key)

    @property
    def reports(self) -> Path:
        """The final report, as it was when the event ended."""
        return self.path / "reports"

    @property
    def imports(self) -> Path:
        """Uploads while they are read, and the rows that imports refused."""
        return self.path / "imports"

    @property
    def last_backup(self) -> Path:
        return self.path / "last-backup.json"
