"""The journal of a session: bounded, searchable, and without anything secret."""

from pathlib import Path

from connectors.exchange.simulator.journal import ANSWER_MAX, FILES_MAX, Journal, cleaned, entries, shortened


def test_what_is_secret_is_left_out_wherever_it_is() -> None:
    told = {
        "parameters": {"symbol": "X", "signature": "s", "listenKey": "l"},
        "rows": [{"secret": "s", "key": "k", "a": 1}],
        "X-MBX-APIKEY": "k",
    }

    assert cleaned(told) == {"parameters": {"symbol": "X"}, "rows": [{"a": 1}]}


def test_a_long_answer_is_kept_in_part() -> None:
    assert shortened([1], "[1]") == [1]
    assert shortened([1], "x" * (ANSWER_MAX + 1)) == "x" * ANSWER_MAX + "…"


def test_entries_are_found_by_account_name_path_and_time(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "journal.jsonl"
    journal = Journal(file)
    journal.write(1, "request", "a", {"path": "/fapi/v1/order", "parameters": {"newClientOrderId": "o-1"}})
    journal.write(2, "event", "a", {"message": {"o": {"c": "o-1"}}})
    journal.write(3, "request", "b", {"path": "/fapi/v1/order", "parameters": {"newClientOrderId": "o-10"}})
    journal.close()

    assert [entry["ts"] for entry in entries(file)] == [1, 2, 3]
    assert [entry["ts"] for entry in entries(file, client_id="o-1")] == [1, 2]
    assert [entry["ts"] for entry in entries(file, account="b")] == [3]
    assert [entry["ts"] for entry in entries(file, path="/fapi/v1")] == [1, 3]
    assert [entry["ts"] for entry in entries(file, since_ms=2)] == [2, 3]


def test_the_oldest_gives_way_and_a_line_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal = Journal(file, bytes_max=200)
    for ts in range(100):
        journal.write(ts, "request", "a", {"path": "/a"})
    journal.close()
    with file.open("a") as output:
        output.write('{"ts": 100, "kind": "req')
    kept = [entry["ts"] for entry in entries(file)]

    assert kept == list(range(int(str(kept[0])), 100))
    assert len(list(tmp_path.iterdir())) == FILES_MAX


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(None)
    journal.write(1, "request", "a", {})
    journal.flush()
    journal.close()

    assert list(tmp_path.iterdir()) == []
