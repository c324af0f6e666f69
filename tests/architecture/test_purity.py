"""What decides is pure: the desk sees no clock, no chance, no files and no hash seed, and time and chance reach the rest as arguments."""

import ast

from tests.architecture.repository import Module, called, full_names, imported, modules

PURE = {
    "bisect", "collections", "collections.abc", "contextlib", "copy", "dataclasses", "decimal", "enum", "fractions", "functools", "hashlib", "heapq",
    "itertools", "json", "math", "operator", "re", "types", "typing", "zlib", "__future__",
}  # fmt: skip
"""What of the standard library the desk may import. A module that can see a clock, chance, a file or another thread does not belong here."""

UNREPEATABLE = {"hash", "id", "open", "print", "input", "eval", "exec", "compile", "__import__", "globals", "vars", "breakpoint"}
"""Builtins that reach outside, or differ from run to run."""

CLOCKS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.process_time",
    "time.localtime", "time.gmtime", "time.sleep", "asyncio.sleep", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today", "os.urandom", "uuid.uuid1", "uuid.uuid4", "secrets.token_hex", "secrets.token_bytes", "random.SystemRandom",
}  # fmt: skip
"""Where time and chance come from. Naming one without calling it counts too: it may be called elsewhere."""

MAY: dict[str, str] = {
    "streams/agents/": "they wait between two looks in the loop they live in; what time it is they are told",
    "streams/app/": "the composition root: it hands the real clocks to the roles",
    "streams/bench/simple_worker.py": "a worker of the benchmark, put together in a process of its own: the real clock is handed in there",
    "streams/cli/": "the outermost layer: it is where real clocks are handed in",
    "connectors/kafka/log.py": "it has to know for how long a broker has acknowledged nothing",
    "connectors/background.py": "it waits for processes of this machine to come and go",
    "connectors/kafka/local_": "they start processes of this machine and wait for them",
    "connectors/kafka/system_clock.py": "it is the real clock that is handed in, to the publisher for example",
}
"""Who may use them, by the beginning of the path, and why."""


def test_the_desk_imports_only_what_is_pure() -> None:
    found = [
        f"{module.path}:{line} {name}"
        for module in modules("streams/desk")
        for line, name in imported(module)
        if not may_import(name)
    ]

    assert found == []


def test_the_desk_calls_nothing_that_reaches_outside_or_differs_between_runs() -> None:
    desk = modules("streams/desk")

    assert [f"{module.path}:{line} {name}" for module in desk for line, name, _ in called(module) if name in UNREPEATABLE] == []


def test_time_and_chance_are_arguments() -> None:
    product = [module for module in modules("streams", "schemas", "connectors") if not module.path.startswith(tuple(MAY))]

    assert [
        f"{module.path}:{line} {name}"
        for module in product
        for line, name in named(module)
        if name in CLOCKS or global_chance(name)
    ] == []
    calls = [(module, *call) for module in product for call in called(module)]
    assert [
        f"{module.path}:{line}"
        for module, line, name, call in calls
        if name == "random.Random" and not (call.args or call.keywords)
    ] == []


def test_nobody_may_use_clocks_who_is_not_there() -> None:
    paths = [module.path for module in modules("streams", "schemas", "connectors")]

    assert [start for start in MAY if not any(path.startswith(start) for path in paths)] == []


def may_import(name: str) -> bool:
    """Tell whether the desk may import this: what is pure, and itself."""
    return name in PURE or name in {"streams", "streams.desk"} or name.startswith("streams.desk.")


def named(module: Module) -> list[tuple[int, str]]:
    """Give every dotted name in a module, in full: what is called and what is only mentioned."""
    full = full_names(module)
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition(".")
            found.append((node.lineno, full.get(first, first) + dot + rest))
    return found


def global_chance(name: str) -> bool:
    """Tell whether this draws from the generator all modules share, which nobody can seed for a run."""
    return name.startswith("random.") and name != "random.Random"
