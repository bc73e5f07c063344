"""Owners, passwords, services' keys, key files."""

from pathlib import Path

import pytest

from shared.errors import UsageError
from sync_server.identity.callers import find_key_caller
from sync_server.identity.key_files import copy_keys, make_keys
from sync_server.identity.keys import load_keys
from sync_server.identity.people import create_owner, hash_password, verify_password
from sync_server.identity.services import create_api_key
from sync_server.storage.paths import DataFolder
from tests.sync_server.registration.deployments import NOW_MS, deployment, everything


@pytest.fixture
def made(tmp_path: Path):
    with deployment(tmp_path / "data") as found:
        yield found


def test_only_the_first_owner_is_made_here(made) -> None:
    hashed = hash_password("correct horse")
    assert made.database.write_now(lambda conn: create_owner(conn, "kim", hashed))
    assert not made.database.write_now(lambda conn: create_owner(conn, "lee", hashed))
    (person,) = everything(made)["people"]
    assert person["name"] == "kim"
    assert "correct" not in person["password_hash"]

    def verify(name: str, password: str) -> str | None:
        return made.database.read_now(lambda conn: verify_password(conn, name, password))

    assert verify("kim", "correct horse") == person["operator_id"]
    assert verify("kim", "wrong horse") is None
    assert verify("lee", "correct horse") is None


def test_a_key_is_kept_only_as_its_hash(made) -> None:
    key = made.database.write_now(lambda conn: create_api_key(conn, "app", "service", NOW_MS))
    assert key not in str(everything(made)["api_keys"])
    caller = made.database.read_now(lambda conn: find_key_caller(conn, key))
    assert (caller.name, caller.role) == ("app", "service")
    with pytest.raises(UsageError, match="app"):
        made.database.write_now(lambda conn: create_api_key(conn, "app", "viewer", NOW_MS))
    with pytest.raises(UsageError, match="role"):
        made.database.write_now(lambda conn: create_api_key(conn, "b", "device", NOW_MS))


def test_keys_are_made_once_and_never_overwritten(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path / "a"), DataFolder(tmp_path / "b")
    for folder in (first, second):
        folder.path.mkdir()
        make_keys(folder)
    keys = load_keys(first)
    make_keys(first)
    assert load_keys(first) == keys
    with pytest.raises(UsageError, match="other keys"):
        copy_keys(second, first.keys)
    (first.keys / "digest.key").write_bytes(b"short")
    with pytest.raises(UsageError, match="32"):
        copy_keys(DataFolder(tmp_path / "c"), first.keys)
