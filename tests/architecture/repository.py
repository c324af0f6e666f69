"""What the architecture tests look at: the product's modules, parsed, and the files that are or would be committed."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("streams", "schemas", "connectors", "infra")
LEFT_OUT = {
    ".git",
    ".venv",
    "build",
    "dist",
    "__pycache__",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".import_linter_cache",
}


class Module(NamedTuple):
    """A Python file of the repository."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Give its name as one imports it."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Parse all Python files under some folders, in the order of their paths."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    texts = [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
    return tuple(Module(path, text, ast.parse(text)) for path, text in texts)


@cache
def committed_files() -> tuple[Path, ...]:
    """Name the files git knows or would add; where git does not answer, all that no tool made."""
    asked = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(asked, capture_output=True, text=True, check=False)
        names = sorted(set(listed.stdout.split("\0")) - {""})
        if listed.returncode == 0:
            return tuple(ROOT / name for name in names if (ROOT / name).is_file())
    return tuple(
        path for path in sorted(ROOT.rglob("*")) if path.is_file() and not LEFT_OUT.intersection(path.relative_to(ROOT).parts)
    )


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """Give each module that a module imports, anywhere in it, with the line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.path}:{node.lineno} imports relatively"
            yield node.lineno, str(node.module)


def called(module: Module) -> Iterator[tuple[int, str, ast.Call]]:
    """Give every call by the full name of what is called, as far as the module's imports tell it."""
    full = full_names(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            yield node.lineno, full.get(first, first) + (f".{rest}" if rest else ""), node


def full_names(module: Module) -> dict[str, str]:
    """Tell what the names a module imports stand for."""
    names: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {
                alias.asname or alias.name.partition(".")[0]: alias.name
                for alias in node.names
                if alias.asname or "." not in alias.name
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names
