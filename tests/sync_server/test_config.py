"""The server's settings."""

from dataclasses import fields
from pathlib import Path

import pytest

from shared.errors import UsageError
from sync_server.config import Config, load_config


def test_the_environment_goes_over_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('host = "0.0.0.0"\nport = 9000\n', "utf-8")
    assert load_config(None, {}) == Config()
    assert load_config(file, {}) == Config(host="0.0.0.0", port=9000)
    assert load_config(file, {"GATESYNC_PORT": "0"}) == Config(host="0.0.0.0", port=0)


def test_every_setting_is_told_with_its_default() -> None:
    told = (Path(__file__).parents[2] / "docs/settings.md").read_text("utf-8")
    server, _, _ = told.partition("## The edge agent")
    for field in fields(Config):
        default = "(empty)" if field.default == "" else str(field.default)
        assert f"| `{field.name}` | {default} |" in server


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour = 1", "colour"),
        ('port = "many"', "port"),
        ("port = 70000", "port"),
        ("host = 1", "host"),
        ('log_level = "loud"', "log_level"),
        ('public_url = "gate.example"', "public_url"),
        ("host = ", "TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=says):
        load_config(file, {})


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(UsageError, match="port"):
        load_config(None, {"GATESYNC_PORT": "many"})
