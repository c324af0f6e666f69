"""Strict YAML: what is refused, with its line, and that nothing else comes through changed."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.services.phases import load_phases
from streams.services.policy_source import PHASES_FOLDER
from streams.services.strict_yaml import DEPTH_MAX, FILE_BYTES_MAX, number_problem, read_strictly


def told(text: str | bytes) -> list[str]:
    raw = text if isinstance(text, bytes) else text.encode()
    return [str(problem) for problem in read_strictly("f.yaml", raw).problems]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "f.yaml:1: is empty"),
        ("# nothing\n", "f.yaml:1: is empty"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: is written twice, first on line 1"),
        ("a: 1\nb:\n  c: 2\n  c: {d: 1}\n", "f.yaml:4: b.c: is written twice, first on line 3"),
        ("a: &x 1\n", "f.yaml:1: a: the anchor &x is not read here: write every value out"),
        ("a: 1\n<<: {b: 2}\n", "f.yaml:2: <<: merge keys are not read here: write every value out"),
        ("a: !!float 1\n", "f.yaml:1: a: the tag tag:yaml.org,2002:float is not read here: write the plain value"),
        ("a: !os.system\n", "f.yaml:1: a: the tag !os.system is not read here: write the plain value"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: a second document begins here: one file, one document"),
        ("%YAML 1.1\n---\na: 1\n", "f.yaml:1: directives are not read here"),
        ("a: 1\nb:\t2\n", "f.yaml:2: has a tab: indent and separate with spaces"),
        ("a:\n\tb: 2\n", "f.yaml:2: has a tab: indent and separate with spaces"),
        ("# a\ttab\na: 1\n", "f.yaml:1: has a tab: indent and separate with spaces"),
        ("a: 1\n# \u2028b: 2\n", "f.yaml:2: has the invisible character U+2028"),
        ("a: 1\u200b\n", "f.yaml:1: has the invisible character U+200B"),
        ("\ufeffa: 1\n", "f.yaml:1: has the invisible character U+FEFF"),
        ("a: 1\rb: 2\n", "f.yaml:1: has the invisible character U+000D"),
        ("a: 1\nb: \x00\n", "f.yaml:2: b: has no value"),
        ("a:\nb: 1\n", "f.yaml:1: a: has no value"),
        ("a: null\n", "f.yaml:1: a: has no value"),
        ("a: ~\n", "f.yaml:1: a: has no value"),
        ("a: ''\n", "f.yaml:1: a: has no value"),
        ("a: ' 1'\n", "f.yaml:1: a: ' 1' begins or ends with a space"),
        ("a: |\n  1\n", "f.yaml:1: a: goes over several lines: write the value on one"),
        ("a: 1\n  2\n", "f.yaml:1: a: goes over several lines: write the value on one"),
        ("a: 1_000\n", "f.yaml:1: a: write '1_000' plainly: up to 18 digits, one point, up to 10 decimals, nothing else"),
        ("? [a]\n: 1\n", "f.yaml:1: a key must be a plain name"),
        ("? {a: b}\n: {c: d}\ne: 1\n", "f.yaml:1: a key must be a plain name"),
        ("a: [1\n", "f.yaml:2: is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n b: 2\n", "f.yaml:2: is not YAML: mapping values are not allowed here"),
        ("a: 1\nb\n", "f.yaml:3: is not YAML: could not find expected ':'"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: is not UTF-8: byte 0xff"),
        (b"a: 1\n" * FILE_BYTES_MAX, f"f.yaml:1: has {5 * FILE_BYTES_MAX} bytes, more than {FILE_BYTES_MAX}"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused_with_its_line(text: str | bytes, complaint: str) -> None:
    assert complaint in told(text)


def test_an_alias_is_refused_where_it_stands() -> None:
    assert told("a: &x {b: 1}\nc: *x\n") == [
        "f.yaml:1: a: the anchor &x is not read here: write every value out",
        "f.yaml:2: c: the alias *x is not read here: write the value out",
    ]


def test_a_bomb_of_brackets_is_refused_and_not_climbed() -> None:
    assert f"is nested deeper than {DEPTH_MAX} tables" in told("a: " + "[" * 500 + "]" * 500)[0]


@pytest.mark.parametrize("word", ["yes", "on", "off", "1:30", "0x10", "2020-01-01", "true"])
def test_words_other_readers_would_turn_into_something_else_stay_words(word: str) -> None:
    assert read_strictly("f", f"a: {word}\n".encode()).value == {"a": word}


@pytest.mark.parametrize("text", ["0", "10.00", "-3.0", "0.60", "999999999999999999"])
def test_plain_numbers_are_fine(text: str) -> None:
    assert number_problem(text) is None


@pytest.mark.parametrize(
    "text", ["1_000", "010", "1e3", "+5", "5.", ".5", "\uff11\uff10", "1E-2", "0.00000000001", "-", "1" * 19]
)
def test_numbers_written_otherwise_are_refused(text: str) -> None:
    assert (number_problem(text) is None) == (text == "-")


def test_carriage_returns_before_a_line_end_change_nothing() -> None:
    text = (PHASES_FOLDER / "phase1.yaml").read_text()
    assert read_strictly("f", text.replace("\n", "\r\n").encode()).value == read_strictly("f", text.encode()).value


PIECES = st.sampled_from(
    ["\t", " ", "\n", ":", "- ", "#", "'", '"', "&a ", "*a", "<<: ", "{", "}", "[", "]", ",", "0", "9", "e", ".", "!!int ", "~",
     "|", "\u2028", "\x00", "null", "---\n", "ess:\n", "é"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["phase1.yaml", "phase2.yaml", "phase3.yaml", "shared.yaml"]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.one_of(PIECES, st.just(""))), min_size=1, max_size=4),
)
@example(name="phase1.yaml", cuts=[(0.0, 0, "a: 1\n")])
def test_a_spoilt_file_is_read_as_it_says_or_refused_with_a_line_that_exists(
    tmp_path_factory: pytest.TempPathFactory, name: str, cuts: list[tuple[float, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("phases")
    for file in PHASES_FOLDER.glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / name).read_text()
    for at, length, piece in cuts:
        start = int(at * len(text))
        text = text[:start] + piece + text[start + length :]
    (folder / name).write_text(text, newline="")
    loaded = load_phases(folder)
    if isinstance(loaded, list):
        assert loaded
        for problem in loaded:
            assert problem.file == str(folder / name)
            assert 1 <= problem.line <= text.count("\n") + 1
        return
    said = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # builds texts, lists and tables only
    body = loaded["phases"][Path(name).stem] if name != "shared.yaml" else {"crash": loaded["crash"], "total": loaded["total"]}
    if name != "shared.yaml":
        said["size"].setdefault("risk_per_trade_pct", "10.00")
    assert body == said


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_order_comments_blank_lines_and_quotes_change_no_meaning(data: st.DataObject) -> None:
    text = (PHASES_FOLDER / "shared.yaml").read_text()
    tables = [block.split("\n") for block in text.split("\n\n") if not block.startswith("# What")]
    shuffled: list[str] = []
    for header, *rows in data.draw(st.permutations(tables)):
        shuffled.append(header)
        for row in data.draw(st.permutations([row for row in rows if row.strip() and not row.strip().startswith("#")])):
            key, _, value = row.partition(": ")
            quote = data.draw(st.sampled_from(["", "'", '"']))
            space = data.draw(st.sampled_from(["", " ", "  # why"]))
            shuffled += data.draw(st.sampled_from([[], [""], ["# why"], ["      # why"]]))
            shuffled.append(f"{key}: {quote}{value}{quote}{space}")
    assert read_strictly("f", "\n".join(shuffled).encode()).value == read_strictly("f", text.encode()).value
