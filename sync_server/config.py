"""The server's settings: one TOML file, every one also as `GATESYNC_…`; validated once."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from shared.errors import UsageError
from shared.limits import BEACON_HORIZON_HOURS_MAX

ENVIRONMENT_PREFIX = "GATESYNC_"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Config:
    """Defaults stand here; the file goes over them, the environment over the file."""

    host: str = "127.0.0.1"  # address to listen on
    port: int = 8080  # TCP port; 0 takes any free one
    public_url: str = ""  # how gates and people reach the server, if not http://host:port
    log_level: str = "info"  # debug | info | warning | error, to standard error
    beacon_horizon_hours: int = 6  # how many hours of rotating ids gates hold ahead, 1 to 48
    database_url: str = ""  # postgresql://user@host/name; empty: SQLite in the data folder
    database_password: str = ""  # of that user; GATESYNC_DATABASE_PASSWORD, or the next
    database_password_file: str = ""  # a file that holds the password and nothing else
    backup_to: str = ""  # a folder that gets a backup again and again while serving; none if empty
    backup_every_s: int = 300  # seconds from one backup to the next
    backup_keep: int = 24  # how many of them are kept
    past_attendance_percent: int = 0  # of a past event of this kind, for forecasts; 0: not known
    webhook_url: str = ""  # messages go there, signed; none if empty
    webhook_secret: str = ""  # shared with the receiver
    webhook_types: str = "alert.raised,alert.cleared"
    alert_gate_load_percent: int = 80
    alert_attendance_percent: int = 30  # below it past half of the event
    alert_offline_s: int = 60
    alert_waiting_scans: int = 50
    alert_clock_off_ms: int = 60_000
    alert_disk_free_mb: int = 200
    alert_mail_to: str = ""  # who is told of alerts by mail; commas between
    smtp_host: str = ""  # the mail server; none if empty, and then nothing is mailed
    smtp_port: int = 587
    smtp_security: str = "starttls"  # starttls | tls (from the first byte, port 465) | none
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_password_file: str = ""  # a file that holds the password and nothing else
    smtp_ca_file: str = ""  # who signed its certificate, if not one that the machine knows
    mail_from: str = ""  # tickets@example.org, or Name <tickets@example.org>
    mail_reply_to: str = ""
    mail_bounce_to: str = ""  # where bounces go; {id} in it tells one mail from another
    mail_language: str = "ko"  # ko | en, where a participant has no wish
    mail_when: str = "registered,reissued"  # what mails a ticket by itself; also imported, never
    mail_per_minute: int = 60  # at most
    mail_pause_s: int = 60  # before a second attempt; five times as long before the third
    mail_timeout_s: int = 60  # how long the mail server may take for an answer


def load_config(file: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """UsageError names the file or variable and the setting."""
    config = Config()
    if file is not None:
        config = _checked(config, _read(file), str(file))
    environment = os.environ if environment is None else environment
    given: dict[str, Any] = {}
    for field in fields(Config):
        text = environment.get(ENVIRONMENT_PREFIX + field.name.upper())
        if text is not None:
            number = type(field.default) is int and text.isdecimal()
            given[field.name] = int(text) if number else text
    return _checked(config, given, "environment GATESYNC_…")


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from error


def _checked(config: Config, given: Mapping[str, Any], source: str) -> Config:
    for name, value in given.items():
        default = getattr(Config(), name, None) if name in Config.__slots__ else None
        if default is None:
            known = ", ".join(field.name for field in fields(Config))
            raise UsageError(f"{source}: there is no setting {name!r}; one of {known}")
        if type(value) is not type(default):
            raise UsageError(f"{source}: {name} must be a {type(default).__name__}")
        if type(value) is int and value < 0:
            raise UsageError(f"{source}: {name} must not be negative")
    config = replace(config, **given)
    check_port(config.port, f"{source}: port")
    if config.backup_every_s < 1 or config.backup_keep < 1:
        raise UsageError(f"{source}: backup_every_s and backup_keep must be at least 1")
    if not 0 <= config.past_attendance_percent <= 100:
        raise UsageError(f"{source}: past_attendance_percent must be between 0 and 100")
    if not 1 <= config.beacon_horizon_hours <= BEACON_HORIZON_HOURS_MAX:
        raise UsageError(f"{source}: beacon_horizon_hours must be 1 to {BEACON_HORIZON_HOURS_MAX}")
    if config.log_level not in LOG_LEVELS:
        raise UsageError(f"{source}: log_level must be one of {', '.join(LOG_LEVELS)}")
    if config.webhook_url and not config.webhook_secret:
        raise UsageError(f"{source}: webhook_url needs a webhook_secret to sign with")
    if config.webhook_url and not config.webhook_url.startswith(("http://", "https://")):
        raise UsageError(f"{source}: webhook_url must begin with http:// or https://")
    _check_mail(config, source)
    if config.public_url and not config.public_url.startswith(("http://", "https://")):
        raise UsageError(f"{source}: public_url must begin with http:// or https://")
    return config


def _check_mail(config: Config, source: str) -> None:
    check_port(config.smtp_port, f"{source}: smtp_port")
    if config.smtp_security not in {"starttls", "tls", "none"}:
        raise UsageError(f"{source}: smtp_security must be one of starttls, tls, none")
    if config.smtp_user and config.smtp_security == "none":
        raise UsageError(f"{source}: smtp_user needs smtp_security starttls or tls: a password "
                         "does not travel in clear")  # fmt: skip
    if config.mail_language not in {"ko", "en"}:
        raise UsageError(f"{source}: mail_language must be ko or en")
    for name in ("mail_per_minute", "mail_timeout_s"):
        if getattr(config, name) < 1:
            raise UsageError(f"{source}: {name} must be at least 1")
    if config.alert_mail_to and not config.smtp_host:
        raise UsageError(f"{source}: alert_mail_to needs smtp_host: the server that takes mails")


def secret_of(text: str, file: str, setting: str) -> str:
    """The secret itself, or what its file holds; UsageError where that can't be read."""
    if not file:
        return text
    try:
        return Path(file).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"{setting} {file}: {reason}") from error


def check_port(port: int, source: str) -> int:
    if not 0 <= port <= 65_535:
        raise UsageError(f"{source} {port} is not between 0 and 65535")
    return port
