"""A real mail server as a process of its own: aiosmtpd with TLS by a test's own authority.

`python -m tests.smtp_process FOLDER [--tls] [--user NAME:PASSWORD] [--port N]` prints its port and
keeps every mail that it takes in FOLDER. What it does with one stands in the recipient's name:

    ok…      taken                             gone…     550 at RCPT
    later…   451 at RCPT, always               twice…    451 twice, then taken
    spam…    554 after the content             cut…      the line is cut after the content
    lost…    taken, and the line is cut        hang…     no answer after the content
"""

import argparse
import asyncio
import datetime as dt
import json
import ssl
import sys
import time
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


def make_authority(folder: Path) -> tuple[Path, Path]:
    """(the authority's certificate, the server's chain with its key) for the loopback."""
    authority, server = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    root = _certificate(issuer, issuer, authority.public_key(), authority, [], ca=True)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    leaf = _certificate(issuer, subject, server.public_key(), authority, names, ca=False)
    pem = serialization.Encoding.PEM
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_file, chain = folder / "authority.pem", folder / "server.pem"
    ca_file.write_bytes(root.public_bytes(pem))
    chain.write_bytes(key + leaf.public_bytes(pem))
    return ca_file, chain


def _certificate(issuer, subject, public, signer, names, *, ca: bool) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(signer, hashes.SHA256())


class Box:
    """aiosmtpd's handler: keeps what it takes, misbehaves as asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tries: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address, options
    ):
        self._tries[address] += 1
        if address.startswith("gone"):
            return "550 5.1.1 No such person here"
        if address.startswith("later") or (
            address.startswith("twice") and self._tries[address] < 3
        ):
            return "451 4.7.1 Greylisted, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        to = envelope.rcpt_tos[0]
        if to.startswith("spam"):
            return "554 5.7.1 This looks like spam"
        if to.startswith("hang"):
            await asyncio.sleep(60)
        if not to.startswith("cut"):
            self._keep(session, envelope)
        if to.startswith(("cut", "lost")):
            server.transport.abort()
        return "250 2.0.0 Queued"

    def _keep(self, session: Session, envelope: Envelope) -> None:
        path = self._folder / f"{time.time_ns()}-{envelope.rcpt_tos[0].partition('@')[0]}.eml"
        path.with_suffix(".json").write_text(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "tls": session.ssl is not None,
                    "user": session.auth_data,
                    "at": time.monotonic(),
                    "peer": session.peer[1],
                }
            )
        )
        path.write_bytes(envelope.original_content)


async def serve(arguments: argparse.Namespace) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.chain)
    name, _, password = (arguments.user or "").partition(":")

    def authenticate(server, session, envelope, mechanism, data) -> AuthResult:
        good = (data.login.decode(), data.password.decode()) == (name, password)
        return AuthResult(success=good, handled=False, auth_data=name if good else None)

    protection = {} if arguments.plain else {"tls_context": context, "require_starttls": True}
    if arguments.tls:
        protection = {}
    controller = UnthreadedController(
        Box(arguments.folder), hostname=HOST, port=arguments.port, loop=asyncio.get_running_loop(),
        ssl_context=context if arguments.tls else None, auth_required=bool(name),
        authenticator=authenticate if name else None, enable_SMTPUTF8=not arguments.plain,
        auth_require_tls=not arguments.tls, **protection,
    )  # fmt: skip
    made = await asyncio.get_running_loop().create_server(
        controller._factory_invoker, host=HOST, port=arguments.port, ssl=controller.ssl_context
    )
    print(json.dumps({"port": made.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chain", type=Path, required=True)
    parser.add_argument("--tls", action="store_true", help="from the first byte")
    parser.add_argument("--plain", action="store_true", help="no TLS, no SMTPUTF8")
    parser.add_argument("--user", help="NAME:PASSWORD")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
