"""How to reach the broker: what goes together, what is refused, and that a password never shows."""

import logging
import re
import ssl
import traceback
from pathlib import Path

import pytest

from connectors.kafka.settings import BadKafkaSettings, KafkaSettings, Secret, kafka_settings
from tests.certificates import Authority

PASSWORD = "correct horse battery"  # noqa: S105 - a test's own
LOGIN = {"QTS_KAFKA_SECURITY": "SASL_PLAINTEXT", "QTS_KAFKA_USERNAME": "qts", "QTS_KAFKA_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def refused(environ: dict[str, str]) -> str:
    """Give the one line that refuses these variables."""
    with pytest.raises(BadKafkaSettings) as caught:
        kafka_settings(environ)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_nothing_set_means_a_broker_on_this_machine() -> None:
    settings = kafka_settings({"HOME": "/root"})

    assert settings == KafkaSettings("127.0.0.1:9092")
    assert settings.librdkafka() == {"bootstrap.servers": "127.0.0.1:9092", "security.protocol": "PLAINTEXT"}
    assert settings.aiokafka() == {"bootstrap_servers": "127.0.0.1:9092", "security_protocol": "PLAINTEXT"}


def test_several_servers_are_named_one_after_the_other() -> None:
    assert kafka_settings({"QTS_KAFKA_SERVERS": "one:9092, [::1]:9093"}).servers == "one:9092,[::1]:9093"


@pytest.mark.parametrize("servers", ["one", "one:", ":9092", "one:x", "one:0", "one:65536", "one:9092,", "a b:1", "one:٣"])
def test_a_server_that_is_no_host_and_port_is_refused(servers: str) -> None:
    assert "QTS_KAFKA_SERVERS" in refused({"QTS_KAFKA_SERVERS": servers})


def test_a_login_reaches_both_libraries() -> None:
    settings = kafka_settings(LOGIN)

    assert settings.librdkafka() == {
        "bootstrap.servers": "127.0.0.1:9092", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "qts", "sasl.password": PASSWORD,
    }  # fmt: skip
    assert settings.aiokafka() == {
        "bootstrap_servers": "127.0.0.1:9092", "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "qts", "sasl_plain_password": PASSWORD,
    }  # fmt: skip


def test_tls_reaches_both_libraries(authority: Authority) -> None:
    own = authority.issue("client")
    settings = kafka_settings(
        {
            "QTS_KAFKA_SECURITY": "SSL", "QTS_KAFKA_CA_FILE": str(authority.certificate),
            "QTS_KAFKA_CERT_FILE": str(own.certificate), "QTS_KAFKA_KEY_FILE": str(own.key),
        }
    )  # fmt: skip

    assert settings.librdkafka() == {
        "bootstrap.servers": "127.0.0.1:9092", "security.protocol": "SSL", "ssl.ca.location": str(authority.certificate),
        "ssl.certificate.location": str(own.certificate), "ssl.key.location": str(own.key),
    }  # fmt: skip
    context = settings.aiokafka()["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    environ = {**LOGIN, "QTS_KAFKA_PASSWORD": "", "QTS_KAFKA_PASSWORD_FILE": str(file)}

    assert kafka_settings(environ).password == PASSWORD


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"x" * 5000, b"\xff\xfe" + PASSWORD.encode()])
def test_a_file_that_holds_no_password_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)

    line = refused({**LOGIN, "QTS_KAFKA_PASSWORD": "", "QTS_KAFKA_PASSWORD_FILE": str(file)})

    assert line.startswith(f"QTS_KAFKA_PASSWORD_FILE {file}")
    assert len(line) < 300


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"QTS_KAFKA_SECURITY": "TLS"}, "QTS_KAFKA_SECURITY"),
        ({"QTS_KAFKA_SECURITY": "sasl_ssl"}, "QTS_KAFKA_SECURITY"),
        ({"QTS_KAFKA_USERNAME": "qts"}, "QTS_KAFKA_USERNAME"),
        ({"QTS_KAFKA_PASSWORD": PASSWORD}, "QTS_KAFKA_PASSWORD"),
        ({"QTS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, "QTS_KAFKA_SASL_MECHANISM"),
        ({"QTS_KAFKA_CA_FILE": "/ca.pem"}, "QTS_KAFKA_CA_FILE"),
        ({**LOGIN, "QTS_KAFKA_CA_FILE": "/ca.pem"}, "QTS_KAFKA_CA_FILE"),
        ({**LOGIN, "QTS_KAFKA_SECURITY": "SSL"}, "QTS_KAFKA_USERNAME"),
        ({**LOGIN, "QTS_KAFKA_SASL_MECHANISM": "PLAIN"}, "QTS_KAFKA_SASL_MECHANISM"),
        ({**LOGIN, "QTS_KAFKA_USERNAME": ""}, "QTS_KAFKA_USERNAME"),
        ({**LOGIN, "QTS_KAFKA_PASSWORD": ""}, "QTS_KAFKA_PASSWORD"),
        ({**LOGIN, "QTS_KAFKA_PASSWORD_FILE": "/password"}, "QTS_KAFKA_PASSWORD_FILE"),
        ({**LOGIN, "QTS_KAFKA_PASSWORD": "", "QTS_KAFKA_PASSWORD_FILE": "/no/such"}, "QTS_KAFKA_PASSWORD_FILE"),
        ({"QTS_KAFKA_SECURITY": "SSL"}, "QTS_KAFKA_CA_FILE"),
        ({**LOGIN, "QTS_KAFKA_SECURITY": "SASL_SSL"}, "QTS_KAFKA_CA_FILE"),
        ({"QTS_KAFKA_SECURITY": "SSL", "QTS_KAFKA_CA_FILE": "/no/such.pem"}, "QTS_KAFKA_CA_FILE"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(environ: dict[str, str], variable: str) -> None:
    line = refused(environ)

    assert variable in re.findall(r"QTS_KAFKA_[A-Z_]+", line)
    assert PASSWORD not in line


def test_a_certificate_needs_its_own_key(authority: Authority, tmp_path: Path) -> None:
    tls = {"QTS_KAFKA_SECURITY": "SSL", "QTS_KAFKA_CA_FILE": str(authority.certificate)}
    one, other = authority.issue("one"), authority.issue("other")
    locked = authority.issue("locked", password=b"locked")

    assert "QTS_KAFKA_KEY_FILE" in refused({**tls, "QTS_KAFKA_CERT_FILE": str(one.certificate)})
    assert "QTS_KAFKA_CERT_FILE" in refused({**tls, "QTS_KAFKA_KEY_FILE": str(one.key)})
    for certificate, key in (
        (one.certificate, other.key),
        (locked.certificate, locked.key),
        (one.certificate, tmp_path / "none"),
    ):
        line = refused({**tls, "QTS_KAFKA_CERT_FILE": str(certificate), "QTS_KAFKA_KEY_FILE": str(key)})
        assert "QTS_KAFKA_KEY_FILE" in line


def test_a_file_without_certificates_vouches_for_nobody(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("no certificate\n")

    assert "QTS_KAFKA_CA_FILE" in refused({"QTS_KAFKA_SECURITY": "SSL", "QTS_KAFKA_CA_FILE": str(empty)})


def test_a_password_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    settings = kafka_settings(LOGIN)

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("qts").info("settings %s %r", settings, settings)
        logging.getLogger("qts").info("clients %s %s", settings.librdkafka(), settings.aiokafka())
    told = "".join(traceback.format_exception(ValueError(settings.librdkafka(), settings)))

    assert PASSWORD not in caplog.text + told + repr(settings.password)
    assert str(settings.password) == PASSWORD
    assert isinstance(settings.password, Secret)
