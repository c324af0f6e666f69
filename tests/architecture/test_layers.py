"""Who may import what from outside: each library has one home, so that it can be replaced there."""

import sys

from tests.architecture.repository import Module, imported, modules

HOMES = {
    "aiohttp": ("connectors.exchange",),
    "aiokafka": ("connectors.kafka",),
    "ccxt": ("connectors.exchange",),
    "chdb": ("connectors.clickhouse",),
    "click": ("streams.cli",),
    "clickhouse_connect": ("connectors.clickhouse",),
    "confluent_kafka": ("connectors.kafka",),
    "fastavro": ("schemas", "streams.replay", "streams.cli.bench"),
    "faust": ("streams.app", "streams.agents", "connectors.kafka"),
    "prometheus_client": ("streams.services",),
    "quixstreams": ("connectors.kafka.bench_quix",),
    "rich": ("streams.cli",),
    "yaml": ("streams.services", "connectors.exchange.simulator"),
    "yarl": ("connectors.kafka",),
}
"""Every third-party library the product imports, and where it may be imported."""

OURS = ("streams", "schemas", "connectors", "infra")


def imports(*folders: str) -> list[tuple[Module, str, str]]:
    """Give who imports what, and the library (or part of ours) it is of, with the place."""
    return [
        (module, f"{module.path}:{line} {name}", name.partition(".")[0])
        for module in modules(*folders)
        for line, name in imported(module)
    ]


def within(module: Module, homes: tuple[str, ...]) -> bool:
    """Tell whether a module is one of these, or inside of one."""
    return any(module.name == home or module.name.startswith(f"{home}.") for home in homes)


def test_a_library_is_imported_only_where_it_is_at_home() -> None:
    foreign = [found for found in imports(*OURS) if found[2] not in OURS and found[2] not in sys.stdlib_module_names]

    homeless = [place for _, place, library in foreign if library not in HOMES]
    assert homeless == [], "give it a home above, and a reason in docs/adr/"
    assert [place for module, place, library in foreign if not within(module, HOMES[library])] == []


def test_schemas_and_connectors_know_the_desk_at_most() -> None:
    ours = [found for found in imports("schemas", "connectors") if found[2] in OURS and not found[0].path.startswith(found[2])]

    assert [place for _, place, _ in ours if not place.partition(" ")[2].startswith(("streams.desk", "streams.exchange"))] == []
