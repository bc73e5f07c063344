"""What the mail room is told by the server's settings; checked where they are read."""

from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr

from email_validator import EmailNotValidError, validate_email

from shared.errors import UsageError
from sync_server.config import Config, secret_of

ID_MARK = "{id}"  # stands in `mail_bounce_to` for what tells one mail's bounces from another's
PAUSE_FACTOR = 5  # the second pause is so much longer than the first
ATTEMPTS_MAX = 3
REGISTERED, REISSUED, IMPORTED = "registered", "reissued", "imported"
LANGUAGES = ("ko", "en")


@dataclass(frozen=True, slots=True)
class Server:
    """`security`: starttls, tls or none."""

    host: str
    port: int
    security: str
    user: str
    password: str
    ca_file: str
    timeout_s: int


@dataclass(frozen=True, slots=True)
class MailSettings:
    """`server` is None where no mail server is named: then nothing is queued by itself."""

    server: Server | None
    sender: Address
    reply_to: Address | None
    bounce_to: str  # an address, in which `{id}` may stand; empty: the sender's
    language: str
    per_minute: int
    pause_ms: int
    queued_by_itself: frozenset[str]
    alerts_to: tuple[str, ...]

    def queues(self, cause: str) -> bool:
        return self.server is not None and cause in self.queued_by_itself

    def pause_after_ms(self, attempts: int) -> int:
        return int(self.pause_ms * PAUSE_FACTOR ** (attempts - 1))

    def envelope_sender(self, token: str) -> str:
        """Where bounces go (VERP, if the settings leave room for it)."""
        return (self.bounce_to or self.sender.addr_spec).replace(ID_MARK, token)


def mail_settings(config: Config) -> MailSettings:
    """UsageError names the setting that is wrong."""
    server = None
    if config.smtp_host:
        if not config.mail_from:
            raise UsageError("smtp_host needs mail_from: the address that mails come from")
        password = secret_of(config.smtp_password, config.smtp_password_file, "smtp_password_file")
        server = Server(
            config.smtp_host, config.smtp_port, config.smtp_security, config.smtp_user, password,
            config.smtp_ca_file, config.mail_timeout_s,
        )  # fmt: skip
    if config.mail_bounce_to:
        _address(config.mail_bounce_to.replace(ID_MARK, "0" * 16), "mail_bounce_to")
    given = (one.strip() for one in config.alert_mail_to.split(","))
    causes = _causes(config)
    unknown = causes - {REGISTERED, REISSUED, IMPORTED}
    if unknown:
        raise UsageError(
            f"mail_when: {min(unknown)!r} is none of registered, reissued, imported, never"
        )
    return MailSettings(
        server=server,
        sender=_address(config.mail_from or "gatesync@localhost.invalid", "mail_from"),
        reply_to=_address(config.mail_reply_to, "mail_reply_to") if config.mail_reply_to else None,
        bounce_to=config.mail_bounce_to,
        language=config.mail_language,
        per_minute=config.mail_per_minute,
        pause_ms=config.mail_pause_s * 1_000,
        queued_by_itself=causes,
        alerts_to=tuple(_address(one, "alert_mail_to").addr_spec for one in given if one),
    )


def queues(config: Config, cause: str) -> bool:
    """Whether a ticket is mailed by itself after `registered`, `reissued` or `imported`."""
    return bool(config.smtp_host) and cause in _causes(config)


def _causes(config: Config) -> frozenset[str]:
    return frozenset(one.strip() for one in config.mail_when.split(",")) - {"", "never"}


def _address(text: str, setting: str) -> Address:
    """`a@b.org`, or `Name <a@b.org>`."""
    name, plain = parseaddr(text)
    try:
        if any(ord(letter) < 32 for letter in text):
            raise ValueError("a line break")
        checked = validate_email(plain, check_deliverability=False, test_environment=True)
        return Address(name, addr_spec=checked.ascii_email or checked.normalized)
    except (EmailNotValidError, HeaderParseError, ValueError) as error:
        if plain.endswith((".invalid", "localhost")):
            return Address(name, addr_spec=plain)
        raise UsageError(f"{setting}: {text!r} is no e-mail address ({error})") from error
