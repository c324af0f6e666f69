"""Kafka's credentials as Faust wants them.

Decides: which of Faust's classes carries which setting. Leaves to others: the settings.
"""

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from connectors.kafka.settings import KafkaSettings


def credentials(settings: KafkaSettings) -> CredentialsT | None:
    """Give what a Faust app needs to talk to this cluster; nothing where it talks to everybody."""
    options = settings.aiokafka()
    protocol = options.get("security_protocol", "PLAINTEXT")
    context = options.get("ssl_context")
    if protocol.startswith("SASL"):
        return SASLCredentials(
            username=options["sasl_plain_username"], password=options["sasl_plain_password"], mechanism=options["sasl_mechanism"], ssl_context=context
        )  # fmt: skip
    if protocol == "SSL":
        return SSLCredentials(context)
    return None
