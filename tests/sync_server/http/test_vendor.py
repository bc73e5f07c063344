"""Scripts that are not ours: what is served is what was pinned, and it is in the wheel (ADR 36)."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sync_server.http.pages import file_response, vendor_folder

ROOT = Path(__file__).parents[3]
WEB = ROOT / "tools/web"
PINNED = {
    name: digest
    for digest, name in (line.split() for line in (WEB / "files.sha256").read_text().splitlines())
}

fetched = pytest.mark.skipif(
    not all((vendor_folder() / name).is_file() for name in PINNED),
    reason="the chart library was not fetched: no package registry at set-up",
)


@fetched
@pytest.mark.parametrize("name", PINNED)
def test_what_is_served_is_what_was_pinned(name: str) -> None:
    body = file_response(name).body
    assert isinstance(body, bytes)
    assert hashlib.sha256(body).hexdigest() == PINNED[name]


def test_the_lock_pins_by_hash_and_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: found for name, found in lock["packages"].items() if name}
    assert packages
    for name, found in packages.items():
        assert found["integrity"].startswith("sha512-"), name
        assert "resolved" not in found, name
    files = ("package.json", "package-lock.json", ".npmrc", "fetch.sh")
    assert not [name for name in files if "://" in (WEB / name).read_text()]


@fetched
def test_none_of_it_is_committed_and_all_of_it_is_in_the_wheel(tmp_path: Path) -> None:
    ask = ["git", "-C", str(ROOT), "ls-files", "sync_server/dashboard/vendor", "*node_modules*"]
    assert subprocess.run(ask, capture_output=True, text=True, check=False).stdout == ""
    # A copy: building writes into the tree that it builds.
    tree = tmp_path / "tree"
    copy = ["cp", "-r", *(str(ROOT / name) for name in ("shared", "sync_server", "edge_agent"))]
    tree.mkdir()
    subprocess.run([*copy, str(tree)], check=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tree / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--wheel-dir", str(tmp_path), str(tree)],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {f"sync_server/dashboard/vendor/{name}" for name in (*PINNED, "uPlot.LICENSE")} <= held
    assert "sync_server/dashboard/static/live.js" in held
