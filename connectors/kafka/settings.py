"""How every client of ours reaches the broker: the QTS_KAFKA_* variables.

Decides: which variables there are, which of them go together, and what librdkafka and aiokafka are told. A combination that cannot be
meant is refused, in one line that names the variable: nobody shall believe that a connection is encrypted which is not. Leaves to others:
whether the broker is there, and what a client does beyond reaching it.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVERS = "127.0.0.1:9092"

SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
"""The first is taken where none is named. PLAIN is not among them: it hands the password itself to whoever answers."""

PASSWORD_BYTES_MAX = 4096
"""A password file longer than this is some other file, named by mistake."""


class BadKafkaSettings(ValueError):
    """A variable cannot be used; the message names it, in one line."""


class Secret(str):
    """A text that does not show in a repr, hence not in a log, a traceback or a failed test's report."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show that there is one, and nothing of it."""
        return "'***'"


@dataclass(frozen=True)
class KafkaSettings:
    """How every client of ours reaches the broker. Made by `kafka_settings`, which checks what goes together."""

    servers: str = SERVERS
    security: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: Secret | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @property
    def encrypted(self) -> bool:
        """Tell whether the connection is TLS."""
        return self.security.endswith("SSL")

    def librdkafka(self) -> dict[str, str | int | float | bool]:
        """Give the options common to every client of librdkafka."""
        found = {
            "bootstrap.servers": self.servers,
            "security.protocol": self.security,
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.cert_file,
            "ssl.key.location": self.key_file,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
        }
        return {name: value for name, value in found.items() if value is not None}

    def aiokafka(self) -> dict[str, Any]:
        """Give the options common to every client of aiokafka. Raises BadKafkaSettings where a certificate has gone since."""
        found: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.security}
        if self.encrypted:
            found["ssl_context"] = _context(self)
        if self.mechanism is not None:
            found |= {
                "sasl_mechanism": self.mechanism, "sasl_plain_username": self.username, "sasl_plain_password": self.password
            }  # fmt: skip
        return found


def kafka_settings(environ: Mapping[str, str]) -> KafkaSettings:
    """Read the environment. Raises BadKafkaSettings. A variable that is set and empty counts as not set, as in a compose file."""
    given = {name: value for name, value in environ.items() if name.startswith("QTS_KAFKA_") and value}
    security = given.get("QTS_KAFKA_SECURITY", SECURITY[0])
    if security not in SECURITY:
        raise BadKafkaSettings(f"QTS_KAFKA_SECURITY is {security!r}, not one of {', '.join(SECURITY)}")
    _refuse_what_has_no_use(given, security)
    username, password, mechanism = _login(given) if security.startswith("SASL") else (None, None, None)
    settings = KafkaSettings(
        _servers(given.get("QTS_KAFKA_SERVERS", SERVERS)), security, mechanism, username, password,
        given.get("QTS_KAFKA_CA_FILE"), given.get("QTS_KAFKA_CERT_FILE"), given.get("QTS_KAFKA_KEY_FILE"),
    )  # fmt: skip
    if settings.encrypted:
        _check_certificates(settings)
    return settings


_OF_SASL = ("QTS_KAFKA_SASL_MECHANISM", "QTS_KAFKA_USERNAME", "QTS_KAFKA_PASSWORD", "QTS_KAFKA_PASSWORD_FILE")
_OF_TLS = ("QTS_KAFKA_CA_FILE", "QTS_KAFKA_CERT_FILE", "QTS_KAFKA_KEY_FILE")


def _refuse_what_has_no_use(given: Mapping[str, str], security: str) -> None:
    """Refuse a password or a certificate that this security would ignore."""
    for names, used, wanted in (
        (_OF_SASL, security.startswith("SASL"), "SASL_SSL or SASL_PLAINTEXT"),
        (_OF_TLS, security.endswith("SSL"), "SSL or SASL_SSL"),
    ):
        for name in names:
            if name in given and not used:
                raise BadKafkaSettings(f"{name} is set but has no use: QTS_KAFKA_SECURITY is {security}, not {wanted}")


def _servers(text: str) -> str:
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        if (
            not host
            or any(letter.isspace() for letter in host)
            or not (port.isdecimal() and port.isascii() and 0 < int(port) < 65536)
        ):
            raise BadKafkaSettings(f"QTS_KAFKA_SERVERS names {server!r}, which is not HOST:PORT")
    return ",".join(servers)


def _login(given: Mapping[str, str]) -> tuple[str, Secret, str]:
    mechanism = given.get("QTS_KAFKA_SASL_MECHANISM", MECHANISMS[0])
    if mechanism not in MECHANISMS:
        raise BadKafkaSettings(f"QTS_KAFKA_SASL_MECHANISM is {mechanism!r}, not one of {', '.join(MECHANISMS)}")
    if "QTS_KAFKA_USERNAME" not in given:
        raise BadKafkaSettings("QTS_KAFKA_USERNAME is not set, and QTS_KAFKA_SECURITY demands a user and a password")
    return given["QTS_KAFKA_USERNAME"], _password(given), mechanism


def _password(given: Mapping[str, str]) -> Secret:
    file = given.get("QTS_KAFKA_PASSWORD_FILE")
    if file is None:
        if "QTS_KAFKA_PASSWORD" not in given:
            raise BadKafkaSettings("QTS_KAFKA_PASSWORD or QTS_KAFKA_PASSWORD_FILE is not set, and QTS_KAFKA_USERNAME is")
        return Secret(given["QTS_KAFKA_PASSWORD"])
    if "QTS_KAFKA_PASSWORD" in given:
        raise BadKafkaSettings("QTS_KAFKA_PASSWORD_FILE and QTS_KAFKA_PASSWORD are both set: which one counts?")
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(PASSWORD_BYTES_MAX + 1).decode("utf-8")
    except (OSError, ValueError) as error:
        # Neither error says what is in the file: a UnicodeDecodeError would, so only its kind is told.
        why = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise BadKafkaSettings(f"QTS_KAFKA_PASSWORD_FILE {file} cannot be read: {why}") from None
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0] or len(text) > PASSWORD_BYTES_MAX:
        raise BadKafkaSettings(f"QTS_KAFKA_PASSWORD_FILE {file} must hold the password in one line, and nothing else")
    return Secret(lines[0])


def _check_certificates(settings: KafkaSettings) -> None:
    """Refuse what would fail later, in a client's thread, in words that name no variable."""
    if settings.ca_file is None:
        # librdkafka and Python look for the system's certificates in different places: named once, both trust the same.
        raise BadKafkaSettings(
            f"QTS_KAFKA_CA_FILE is not set, and QTS_KAFKA_SECURITY is {settings.security}: who vouches for the broker?"
        )
    if (settings.cert_file is None) != (settings.key_file is None):
        missing, there = ("CERT", "KEY") if settings.cert_file is None else ("KEY", "CERT")
        raise BadKafkaSettings(f"QTS_KAFKA_{missing}_FILE is not set, and QTS_KAFKA_{there}_FILE is: a certificate needs its key")
    _context(settings)


def _context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ca_file)
    except (OSError, ValueError) as error:
        raise BadKafkaSettings(f"QTS_KAFKA_CA_FILE {settings.ca_file} cannot be used: {_reason(error)}") from error
    if settings.cert_file is not None:
        for name, file in (("QTS_KAFKA_CERT_FILE", settings.cert_file), ("QTS_KAFKA_KEY_FILE", settings.key_file)):
            if not Path(file or "").is_file():
                raise BadKafkaSettings(f"{name} {file} is not a file")
        try:
            # Without a password of its own, OpenSSL would ask for an encrypted key's at the terminal, and wait.
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except (OSError, ValueError) as error:
            raise BadKafkaSettings(
                f"QTS_KAFKA_CERT_FILE and QTS_KAFKA_KEY_FILE cannot be used together: {_reason(error)}"
            ) from error
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no certificate in it").lower().replace("_", " ")
    return (isinstance(error, OSError) and error.strerror) or "not a certificate"
