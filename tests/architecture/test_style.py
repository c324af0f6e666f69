"""Measures of docs' style rules: short modules and functions that say what they are for, and no exception that disappears."""

import ast
from statistics import quantiles

from tests.architecture.repository import PRODUCT, Module, modules

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_P95_MAX = 35
"""What somebody can still read at three in the morning: a module on a few screens, a function on one."""

BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = {
    "streams/cli/main.py": "the outermost boundary of a run: prints the traceback and ends with an exit code of its own",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: Module) -> list[Function]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_of(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def is_broad(named: ast.expr | None) -> bool:
    if named is None:
        return True
    names = named.elts if isinstance(named, ast.Tuple) else [named]
    return any(ast.unparse(name) in BROAD for name in names)


def test_every_module_says_what_it_is_for() -> None:
    assert [module.path for module in modules(*PRODUCT, "tests") if not ast.get_docstring(module.tree)] == []


def test_no_module_is_longer_than_a_few_screens() -> None:
    lengths = {module.path: module.text.count("\n") for module in modules(*PRODUCT)}

    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {f"{module.path} {one.name}": lines_of(one) for module in modules(*PRODUCT, "tests") for one in functions(module)}

    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == {}


def test_most_functions_are_much_shorter() -> None:
    lengths = [lines_of(function) for module in modules(*PRODUCT) for function in functions(module)]

    assert quantiles(lengths, n=20)[-1] <= FUNCTION_LINES_P95_MAX


def swallows(node: ast.AST) -> bool:
    """Tell whether this catches everything and raises nothing."""
    if isinstance(node, ast.ExceptHandler):
        return is_broad(node.type) and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress") and any(is_broad(one) for one in node.args)


def test_no_exception_is_swallowed() -> None:
    nodes = [
        (module.path, node) for module in modules(*PRODUCT) for node in ast.walk(module.tree) if module.path not in MAY_CATCH_ALL
    ]

    assert [f"{path}:{getattr(node, 'lineno', 0)}" for path, node in nodes if swallows(node)] == []
