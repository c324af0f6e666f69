"""What every registry keeps, the bundled one and one over real HTTP; and what only a network can do wrong."""

import socket
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from schemas.bundled import bundled, same_meaning
from schemas.codec import Codec, Undecodable
from schemas.errors import UNKNOWN_SCHEMA, RegistryRefused, RegistryUnavailable, UnknownSchema
from schemas.http_registry import HttpRegistry
from schemas.registry import BundledRegistry, LayeredRegistry, Registry, open_registry
from tests.contract.registry_server import Fault, RegistryServer
from tests.schema_kit import MARK, SIGNAL, tape_event

NOBODY = 4_000_000_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with RegistryServer() as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(params=["bundled", "over HTTP", "a file's layer before the bundled one"])
def registry(request: pytest.FixtureRequest, server: RegistryServer) -> Registry:
    made: dict[str, Callable[[], Registry]] = {
        "bundled": BundledRegistry,
        "over HTTP": lambda: HttpRegistry(server.url),
        "a file's layer before the bundled one": lambda: LayeredRegistry({}, BundledRegistry()),
    }
    return made[request.param]()


class TestEveryRegistry:
    def test_gives_the_schema_back_that_it_gave_an_id(self, registry: Registry) -> None:
        for name, text in bundled().current.items():
            assert same_meaning(registry.schema(registry.id_of(name)), text)

    def test_gives_each_schema_an_id_of_its_own_and_keeps_it(self, registry: Registry) -> None:
        ids = {name: registry.id_of(name) for name in bundled().current}

        assert len(set(ids.values())) == len(ids)
        assert {name: registry.id_of(name) for name in bundled().current} == ids

    def test_is_certain_about_an_id_nobody_has(self, registry: Registry) -> None:
        for _ in range(2):
            with pytest.raises(UnknownSchema):
                registry.schema(NOBODY)

    def test_is_certain_about_a_name_nobody_has(self, registry: Registry) -> None:
        with pytest.raises(UnknownSchema):
            registry.id_of("Stranger")

    def test_carries_a_message_through_a_codec(self, registry: Registry) -> None:
        event = tape_event(SIGNAL)
        codec = Codec(registry)

        assert codec.decode_event(codec.encode_event(event), event.offset).body == event.body

    def test_an_unknown_id_is_an_undecodable_record(self, registry: Registry) -> None:
        with pytest.raises(Undecodable) as caught:
            Codec(registry).decode(b"\0" + NOBODY.to_bytes(4, "big") + b"rubbish")

        assert (caught.value.error, caught.value.schema_id) == (UNKNOWN_SCHEMA, NOBODY)


def test_a_setting_chooses_the_registry(server: RegistryServer) -> None:
    assert isinstance(open_registry(None), BundledRegistry)
    assert isinstance(open_registry(""), BundledRegistry)
    assert isinstance(open_registry(server.url), HttpRegistry)


def test_the_first_layer_comes_first() -> None:
    layered = LayeredRegistry({1: '"long"', 2: None}, BundledRegistry())

    assert layered.schema(1) == '"long"'
    with pytest.raises(UnknownSchema):
        layered.schema(2)
    assert layered.schema(3) == bundled().history[3].text


class TestOverHttp:
    def test_each_id_is_asked_for_once(self, server: RegistryServer) -> None:
        registry = HttpRegistry(server.url)
        for _ in range(3):
            registry.schema(registry.id_of("Mark"))
            with pytest.raises(UnknownSchema):
                registry.schema(NOBODY)

        assert server.asked == ["POST /subjects/qts.Mark/versions", "GET /schemas/ids/100", f"GET /schemas/ids/{NOBODY}"]

    def test_a_reader_of_another_process_reads_what_was_written(self, server: RegistryServer) -> None:
        raw = Codec(HttpRegistry(server.url)).encode(MARK)

        assert Codec(HttpRegistry(server.url + "/")).decode(raw) == MARK

    def test_a_login_in_the_url_is_sent_and_shown_nowhere(self, server: RegistryServer) -> None:
        registry = HttpRegistry(server.url.replace("://", "://anna:p%40ss@"))
        registry.id_of("Mark")
        server.fault = Fault(401, b'{"message": "no"}')

        with pytest.raises(RegistryRefused) as caught:
            registry.schema(5)

        assert server.authorization == ["Basic YW5uYTpwQHNz"] * 2
        assert "p@ss" not in str(caught.value)

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
    def test_a_registry_that_cannot_answer_now_is_to_be_asked_again(self, server: RegistryServer, status: int) -> None:
        registry = HttpRegistry(server.url)
        server.fault = Fault(status, retry_after="7")
        with pytest.raises(RegistryUnavailable) as caught:
            registry.schema(100)
        server.fault = None
        server.register("qts.Mark", bundled().current["Mark"])

        assert caught.value.after_s == 7
        assert registry.schema(100) == bundled().current["Mark"]

    @pytest.mark.parametrize("word", [None, "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
    def test_a_wait_that_is_no_number_of_seconds_is_a_short_one(self, server: RegistryServer, word: str | None) -> None:
        server.fault = Fault(503, retry_after=word)

        with pytest.raises(RegistryUnavailable) as caught:
            HttpRegistry(server.url).schema(100)

        assert caught.value.after_s == 1

    @pytest.mark.parametrize("status", [400, 401, 403, 409, 422])
    def test_a_no_is_for_a_person(self, server: RegistryServer, status: int) -> None:
        server.fault = Fault(status)

        with pytest.raises(RegistryRefused, match="broken"):
            HttpRegistry(server.url).id_of("Mark")

    def test_a_wrong_address_is_for_a_person(self, server: RegistryServer) -> None:
        server.fault = Fault(404)

        with pytest.raises(RegistryRefused):
            HttpRegistry(server.url).id_of("Mark")

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"[" * 100_000, b'{"schema": "' + b"x" * 2_000_000 + b'"}'])
    def test_an_answer_that_is_not_understood_is_to_be_asked_again(self, server: RegistryServer, body: bytes) -> None:
        server.fault = Fault(200, body)

        with pytest.raises(RegistryUnavailable):
            HttpRegistry(server.url).schema(100)

    @pytest.mark.parametrize(
        "body", [b'{"schema": 5}', b"{}", b'{"schema": "{}", "schemaType": "PROTOBUF"}', b'{"schema": "{}", "references": [{}]}']
    )
    def test_what_is_no_avro_schema_is_unknown(self, server: RegistryServer, body: bytes) -> None:
        server.fault = Fault(200, body)

        with pytest.raises(UnknownSchema):
            HttpRegistry(server.url).schema(100)

    @pytest.mark.parametrize("body", [b"{}", b'{"id": "5"}', b'{"id": -1}', b'{"id": 4294967296}'])
    def test_an_id_that_is_none_is_not_written_with(self, server: RegistryServer, body: bytes) -> None:
        server.fault = Fault(200, body)

        with pytest.raises(RegistryUnavailable):
            HttpRegistry(server.url).id_of("Mark")

    def test_a_registry_that_is_down_is_to_be_asked_again_and_no_record_is_to_blame(self, server: RegistryServer) -> None:
        codec = Codec(HttpRegistry(server.url, timeout_s=1))
        raw = codec.encode_event(tape_event(MARK))
        other = b"\0" + NOBODY.to_bytes(4, "big")
        server.fault = Fault(500)

        with pytest.raises(RegistryUnavailable):
            codec.decode(other)
        with pytest.raises(RegistryUnavailable):
            codec.decode_event(raw[: -len(codec.encode(MARK))] + other + bytes(len(codec.encode(MARK)) - 5), 1)

    def test_a_registry_that_never_answers_is_given_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(RegistryUnavailable):
            HttpRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05).schema(1)

    @pytest.mark.parametrize("url", ["file:///etc/hosts", "localhost:8081", "http://", "ftp://registry"])
    def test_an_address_that_is_no_url_of_a_registry_is_refused(self, url: str) -> None:
        with pytest.raises(RegistryRefused):
            HttpRegistry(url)

    def test_a_flood_of_made_up_ids_takes_bounded_memory(self, server: RegistryServer) -> None:
        registry = HttpRegistry(server.url)
        for number in range(1_002):
            with pytest.raises(UnknownSchema):
                registry.schema(number)
        server.asked.clear()

        for number in (1_001, 0):
            with pytest.raises(UnknownSchema):
                registry.schema(number)

        assert server.asked == ["GET /schemas/ids/0"]
