"""Workers as processes: logs that stay small, ports that are free."""

import socket
from pathlib import Path

from streams.services.worker_processes import Launcher, free_port


def test_a_log_that_has_grown_is_set_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path / "log", {})
    with launcher.log_of("desk-0").open("ab", buffering=0) as writer:
        writer.write(b"a" * 1_000)
        launcher.rotate(bytes_max=500)
        writer.write(b"after\n")

    assert launcher.log_of("desk-0").read_bytes() == b"after\n"
    assert (tmp_path / "log" / "desk-0.log.1").read_bytes() == b"a" * 1_000


def test_a_small_log_is_left_as_it_is_and_of_old_ones_one_is_kept(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, {})
    log = launcher.log_of("desk-0")
    for content in (b"1" * 10, b"2" * 10, b"3" * 5):
        log.write_bytes(content)
        launcher.rotate(bytes_max=5)

    assert log.read_bytes() == b"3" * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk-0.log", "desk-0.log.1"]
    assert (tmp_path / "desk-0.log.1").read_bytes() == b"2" * 10


def test_the_last_words_are_the_last_line_of_the_log_and_short(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, {})
    assert launcher.last_words("desk-0") == ""
    launcher.log_of("desk-0").write_bytes(b"first\n" * 5_000 + b"the end\n")
    assert launcher.last_words("desk-0") == "the end"
    launcher.log_of("desk-0").write_bytes(b"x" * 20_000)
    assert len(launcher.last_words("desk-0")) == 300


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert free_port(port) != port
    assert free_port(port) == port
