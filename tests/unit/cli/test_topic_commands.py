"""`./qts tail`, `send`, `dlq`, `account` with a broker in memory: what they show, refuse and send, and how they end.

Leaves to others: the same on real brokers (tests/integration/test_topic_commands.py).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka.reading import Bounds, BrokerAway, Seen
from connectors.kafka.receipts import AT_BROKER, IN_SPOOL, Unsettled
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.spool import Spool
from connectors.kafka.spool_format import Item
from connectors.kafka.spool_settings import SPOOL_BYTES
from streams.cli import account, dlq, kafka_options, publishing, send, tail
from streams.cli.account import looks_like_a_key
from streams.cli.main import main
from streams.cli.output import Unavailable
from streams.desk.messages import CloseAccount, Control, OpenAccount
from streams.desk.outputs import DeadLetter
from tests.schema_kit import MARK, SIGNAL, make_codec

CODEC = make_codec()
Run = Callable[..., tuple[int, str, str]]


@dataclass
class Receipt:
    """An acknowledgement, or what came instead."""

    state: int = AT_BROKER
    failure: Exception | None = None

    def wait(self, _timeout_s: float | None = None) -> object:
        if self.failure:
            raise self.failure
        return self


@dataclass
class Broker:
    """Topics in memory; what is published is noted beside them."""

    topics_: dict[str, list[list[Seen]]] = field(default_factory=dict)
    sent: list[tuple[str, str, bytes, int | None]] = field(default_factory=list)
    away: bool = False
    receipts: list[Receipt] = field(default_factory=list)

    def put(self, topic: str, partition: int, value: bytes | None, key: bytes | None = b"k") -> int:
        records = self.topics_[topic][partition]
        records.append(Seen(topic, partition, len(records), 1_700_000_000_000 + len(records), key, value))
        return len(records) - 1

    def topics(self) -> dict[str, int]:
        if self.away:
            raise BrokerAway("no broker answers at nowhere")
        return {name: len(partitions) for name, partitions in self.topics_.items()}

    def bounds(self, topic: str, _partitions: int) -> dict[int, Bounds]:
        return {number: Bounds(0, len(records)) for number, records in enumerate(self.topics_[topic])}

    def from_to(self, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Seen]:
        for number, start in starts.items():
            yield from self.topics_[topic][number][start : ends[number]]

    def follow(self, topic: str, starts: Mapping[int, int]) -> Iterator[Seen | None]:
        yield from self.from_to(topic, starts, dict.fromkeys(starts, 1_000_000))
        yield None
        raise KeyboardInterrupt

    def publish(self, topic: str, key: str, value: bytes, *, partition: int | None = None) -> Receipt:
        self.sent.append((topic, key, value, partition))
        return self.receipts.pop(0) if self.receipts else Receipt()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker({name: [[], []] for name in ("signals", "marks", "control", "portfolio", "dead-letters", "tape")})

    @contextmanager
    def reading(_where: object) -> Iterator[Broker]:
        with kafka_options.asked_of_kafka():
            yield made

    @contextmanager
    def publisher(where: object) -> Iterator[Broker]:
        with reading(where) as opened:
            opened.topics()
            yield opened

    for reads in (tail, dlq, account):
        monkeypatch.setattr(reads, "reader", reading)
    for publishes in (send, dlq, account):
        monkeypatch.setattr(publishes, "publisher", publisher)
    return made


@pytest.fixture
def run(broker: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: ARG001 - it has to be there
    monkeypatch.setenv("COLUMNS", "160")

    def running(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return running


def letter(offset: int, **changed: Any) -> DeadLetter:
    made = DeadLetter(
        offset, 0, "signals", 1, 0, "NOT_AVRO", "does not begin with a zero byte", None, b"\xff", 1_700_000_000_000 + offset
    )
    return made._replace(**changed)


def told(out: str) -> Any:
    return json.loads(out.splitlines()[-1])


def options(fields: Mapping[str, object]) -> list[str]:
    return [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]


def test_tail_shows_the_last_records_and_ends_with_ctrl_c_as_it_should(run: Run, broker: Broker) -> None:
    for number in range(15):
        broker.put("signals", 0, CODEC.encode(SIGNAL._replace(signal_id=f"s-{number}")))
    broker.put("signals", 1, b"junk", b"\xff")

    code, out, err = run("tail", "signals")

    assert (code, err) == (0, "")
    assert [line.split("signal_id=")[1].split()[0] for line in out.splitlines()[:-1]] == [
        f"s-{number}" for number in range(5, 15)
    ]
    assert "Unreadable error=NOT_AVRO" in out.splitlines()[-1]


def test_tail_gives_one_object_a_record(run: Run, broker: Broker) -> None:
    broker.put("signals", 0, CODEC.encode(SIGNAL))
    broker.put("signals", 0, b"\x01")

    code, out, _ = run("tail", "signals", "--from-beginning", "--no-follow", "--json")

    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert (first["kind"], first["record"]["signal_id"]) == ("Signal", "s-1")
    assert (second["kind"], second["record"]["hex"]) == ("Unreadable", "01")


def test_tail_ends_after_as_many_as_were_asked_for(run: Run, broker: Broker) -> None:
    for _ in range(5):
        broker.put("signals", 0, CODEC.encode(SIGNAL))

    assert len(run("tail", "signals", "--max", "3")[1].splitlines()) == 3


def test_a_topic_that_is_not_there_is_named_with_those_that_are(run: Run) -> None:
    code, out, err = run("tail", "signal", "--json")

    assert code == 2
    assert "there is no topic signal; there are signals, marks" in err
    assert "signals" in told(out)["topics"]


@pytest.mark.parametrize("command", [
    ("tail", "signals"), ("dlq", "list"), ("account", "list"), ("account", "disable", "a", "--user", "u", "--reason", "r"),
    ("send", "control", "--set", "account=a", "--set", "user=u", "--set", "reason=r", "--set", "command=Trip"),
])  # fmt: skip
def test_a_broker_that_is_away_is_one_line_and_three(run: Run, broker: Broker, command: tuple[str, ...]) -> None:
    broker.away = True

    code, out, err = run(*command)

    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "no broker answers" in err
    assert broker.sent == []


def test_settings_that_cannot_be_used_are_two(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QTS_KAFKA_SECURITY", "NONE")

    code, _, err = run("tail", "signals")

    assert code == 2
    assert "QTS_KAFKA_SECURITY" in err


def test_send_publishes_a_command_by_its_fields(run: Run, broker: Broker) -> None:
    code, out, _ = run("send", "control", *options({"account": "*", "user": "u", "reason": "a=b", "command": "Trip"}), "--json")

    ((topic, key, value, partition),) = broker.sent
    assert (code, topic, key, partition) == (0, "control", "*", None)
    assert CODEC.decode(value).reason == "a=b"
    assert told(out)["sent"] == 1
    assert told(out)["ids"] == [CODEC.decode(value).control_id]


def test_nothing_of_a_file_is_sent_when_a_line_is_bad(run: Run, broker: Broker, tmp_path: Path) -> None:
    good = '{"account":"a","user":"u","reason":"r","command":"Trip"}'
    file = tmp_path / "lines.jsonl"
    file.write_text(f"{good}\n\n{good}\n{good.replace('Trip', 'Tripp')}\n")

    code, out, err = run("send", "control", "--file", str(file), "--json")

    assert code == 2
    assert "nothing was sent: line 4: command: 'Tripp' is none of" in err
    assert told(out)["problems"][0]["line"] == 4
    assert broker.sent == []


@pytest.mark.parametrize("fields", [("account",), ("=x",), ("a.=x",), ("account=a", "account=b"), ("account=a", "account.b=c")])
def test_fields_that_are_none_are_named(run: Run, broker: Broker, fields: tuple[str, ...]) -> None:
    code, _, err = run("send", "control", *(word for one in fields for word in ("--set", one)))

    assert code == 2
    assert f"--set {fields[-1]}" in err
    assert broker.sent == []


def test_nested_fields_are_set_by_their_path(run: Run, broker: Broker) -> None:
    flat = {name: value for name, value in SIGNAL._asdict().items() if name != "model_scores"}

    assert run("send", "signal", *options({**flat, "model_scores.lstm": "0.7"}))[0] == 0
    assert CODEC.decode(broker.sent[0][2]) == SIGNAL._replace(model_scores={"lstm": 0.7})


def test_an_empty_file_and_two_sources_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    assert run("send", "mark", "--file", str(tmp_path / "empty"))[0] == 2
    assert run("send", "mark", "--file", str(tmp_path / "empty"), "--set", "a=b")[0] == 2
    assert run("send", "tick", "--set", "second=1")[0] == 2


def test_what_is_not_acknowledged_is_never_said_to_be(run: Run, broker: Broker) -> None:
    broker.receipts = [Receipt(failure=Unsettled("neither acknowledged nor spooled"))]

    code, out, err = run("send", "mark", *options(MARK._asdict()))

    assert (code, out) == (3, "")
    assert "0 of 1 acknowledged" in err


def test_what_went_to_the_disk_is_said(run: Run, broker: Broker) -> None:
    broker.receipts = [Receipt(IN_SPOOL)]

    _, out, _ = run("account", "disable", "alpha", "--user", "u", "--reason", "r")

    assert "the broker went away: 1 of them on disk" in out


def test_dead_letters_are_counted_once_each_with_the_newest_first(run: Run, broker: Broker) -> None:
    for one in (letter(1), letter(2, error="TRUNCATED"), letter(2, error="TRUNCATED"), letter(9)):
        broker.put("dead-letters", 1, CODEC.encode(one))
    broker.put("dead-letters", 0, b"no letter")

    _, out, _ = run("dlq", "list", "--newest", "2", "--json")

    assert told(out)["by_code"] == {"NOT_AVRO": 2, "TRUNCATED": 1}
    assert [one["id"] for one in told(out)["newest"]] == ["1/9/0", "1/2/0"]
    assert told(out)["unreadable"] == 1
    assert "1/9/0" in run("dlq", "list")[1]
    assert "3 dead letters" in run("dlq", "list", "--newest", "0")[1]


def test_a_dead_letter_is_shown_whole(run: Run, broker: Broker) -> None:
    broker.put("dead-letters", 1, CODEC.encode(letter(1, raw=b"\xfe" * 5_000, detail="\x1b[2Jx")))

    code, out, _ = run("dlq", "show", "1/1/0")

    assert code == 0
    assert "fe" * 5_000 in out
    assert "\x1b" not in out
    assert run("dlq", "show", "1/2/0")[0] == 2
    assert run("dlq", "show", "one")[0] == 2


def test_a_redriven_record_has_the_bytes_the_partition_and_the_key_it_had(run: Run, broker: Broker) -> None:
    source = broker.put("signals", 1, b"\xff\x01", b"alpha")
    broker.put("dead-letters", 1, CODEC.encode(letter(5, raw=b"\xff\x01", source_offset=source)))

    code, out, _ = run("dlq", "redrive", "1/5/0", "--yes", "--json")

    assert code == 0
    assert broker.sent == [("signals", "alpha", b"\xff\x01", 1)]
    assert (told(out)["redriven"], told(out)["without_key"]) == (1, 0)


def test_where_the_record_is_gone_the_key_is_its_account_or_none(run: Run, broker: Broker) -> None:
    broker.put("signals", 1, b"another by now", b"beta")
    broker.put("dead-letters", 1, CODEC.encode(letter(5, raw=CODEC.encode(SIGNAL), error="BAD_VALUE")))
    broker.put("dead-letters", 1, CODEC.encode(letter(6, source_offset=99)))

    _, out, _ = run("dlq", "redrive", "--all", "--yes", "--json")

    assert [(key, partition) for _, key, _, partition in broker.sent] == [("acc-1", 1), ("", 1)]
    assert told(out)["without_key"] == 1


def test_redriving_by_code_takes_the_oldest_first_in_portions(run: Run, broker: Broker) -> None:
    for offset in range(6):
        code = "TRUNCATED" if offset == 3 else "NOT_AVRO"
        broker.put("dead-letters", 0, CODEC.encode(letter(offset, raw=bytes([offset]), error=code)))

    run("dlq", "redrive", "--code", "NOT_AVRO", "--max", "2", "--yes")
    run("dlq", "redrive", "--code", "NOT_AVRO", "--max", "2", "--skip", "2", "--yes")

    assert [value for _, _, value, _ in broker.sent] == [b"\x00", b"\x01", b"\x02", b"\x04"]


def test_nobody_redrives_by_accident(run: Run, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.put("dead-letters", 0, CODEC.encode(letter(1)))

    assert run("dlq", "redrive")[0] == 2
    assert run("dlq", "redrive", "--all", "--code", "NOT_AVRO", "--yes")[0] == 2
    assert run("dlq", "redrive", "--all", "--json")[0] == 2
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert run("dlq", "redrive", "--all")[0] == 130
    assert broker.sent == []
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    assert run("dlq", "redrive", "--all")[0] == 0
    assert len(broker.sent) == 1


def test_what_only_workers_write_is_not_sent_by_hand(run: Run, broker: Broker) -> None:
    broker.put("dead-letters", 0, CODEC.encode(letter(1, topic="portfolio")))

    assert run("dlq", "redrive", "0/1/0", "--yes")[0] == 2
    code, out, _ = run("dlq", "redrive", "--all", "--yes")

    assert code == 1
    assert "passed over" in out
    assert broker.sent == []


ADD = ("--venue", "binanceusdm", "--leverage", "3", "--opening-balance", "10000.5", "--user", "ana", "--reason", "first day")


def test_an_account_is_added_with_the_name_of_its_credentials(run: Run, broker: Broker) -> None:
    code, out, _ = run("account", "add", "alpha", "--credentials", "ALPHA_KEYS", *ADD)

    ((topic, key, value, _),) = broker.sent
    control = CODEC.decode(value)
    assert (code, topic, key) == (0, "control", "alpha")
    assert control.command == OpenAccount("binanceusdm", "ALPHA_KEYS", Decimal(3), Decimal("10000.5"))
    assert (control.user, control.reason) == ("ana", "first day")
    assert control.control_id in out


SECRETS = [
    "aB3" * 21 + "x",
    "0123456789abcdef" * 2,
    "sk_live_" + "4eC39HqLyjWD" * 2,
    "00000000-1111-2222-3333-444444444444",
    "two words",
    "base64+like/value==",
    "-----BEGIN PRIVATE KEY-----",
    "",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_key_is_refused_and_not_repeated(run: Run, broker: Broker, secret: str) -> None:
    code, out, err = run("account", "add", "alpha", "--credentials", secret, *ADD, "--json")

    assert code == 2
    assert not secret or secret not in out + err
    assert broker.sent == []


@pytest.mark.parametrize(
    "name", ["ALPHA_KEYS", "binance/alpha", "vault:trading/alpha-2", "BINANCE_FUTURES_ALPHA_API_CREDENTIALS_2"]
)
def test_a_name_is_no_key(name: str) -> None:
    assert not looks_like_a_key(name)


@pytest.mark.parametrize(("option", "value", "named"), [
    ("--leverage", "much", "leverage"), ("--leverage", "0", "leverage"), ("--opening-balance", "-1", "opening_balance"),
    ("--opening-balance", "NaN", "opening_balance"), ("--venue", "", "venue"),
])  # fmt: skip
def test_an_account_that_cannot_be_is_not_sent(run: Run, broker: Broker, option: str, value: str, named: str) -> None:
    code, _, err = run("account", "add", "alpha", "--credentials", "ALPHA_KEYS", *ADD, option, value)

    assert code == 2
    assert f"nothing was sent: {named}:" in err
    assert broker.sent == []


def test_accounts_are_listed_with_what_was_commanded_last(run: Run, broker: Broker) -> None:
    def control(name: str, command: OpenAccount | CloseAccount) -> None:
        broker.put("control", 0, CODEC.encode(Control("c", name, "ana", "why", 1_700_000_000_000, command)))

    opened = OpenAccount("binanceusdm", "ALPHA_KEYS", Decimal(3), Decimal(10))
    control("alpha", opened)
    control("beta", opened)
    control("beta", CloseAccount())
    control("nobody", CloseAccount())
    broker.put("control", 1, b"unreadable")

    _, out, _ = run("account", "list", "--json")

    rows = {row["account"]: row for row in told(out)["accounts"]}
    assert {name: row["service"] for name, row in rows.items()} == {"alpha": "added", "beta": "disabled"}
    assert rows["beta"]["credentials"] == "ALPHA_KEYS"
    assert "alpha" in run("account", "list")[1]


def test_no_account_is_said_to_be_none(run: Run) -> None:
    assert "no account is known" in run("account", "list")[1]


def test_records_left_on_disk_go_out_with_the_next_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QTS_HOME", str(tmp_path))
    home = tmp_path / "spool"
    assert publishing.spool_folders()[0] == home / "commands"

    with Spool(home / "commands-3", SPOOL_BYTES) as left:
        left.append([Item(0, 1, "signals", "k", b"v", (), None)])

    assert publishing.spool_folders()[:2] == [home / "commands-3", home / "commands"]


def test_commands_at_the_same_time_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QTS_HOME", str(tmp_path))
    where = KafkaSettings(servers="127.0.0.1:1")
    taken = [publishing.free_publisher(where) for _ in range(publishing.COMMANDS_MAX)]

    try:
        with pytest.raises(Unavailable, match="8 commands"):
            publishing.free_publisher(where)
        taken.pop().close(0)
        taken.append(publishing.free_publisher(where))
    finally:
        for one in taken:
            one.close(0)
