"""How large the code is, and which files import each other in circles; read from the source, nothing is imported.

    python benchmarks/code_size.py                  # this checkout
    python benchmarks/code_size.py --root DIR       # another one
    python benchmarks/code_size.py --list           # name the modules, functions and circles that are counted

lines              of all Python files; *code lines* leaves out blank lines, comments and docstrings
one-line modules   files with a single line that is not blank
no code            files without a line of code, such as an ``__init__.py`` that holds a docstring only
long functions     functions of more than 60 lines, from ``def`` to the last line, docstring included
many arguments     functions with more than 7 arguments besides ``self`` or ``cls``; commands of click, whose arguments
                   are the options that users see, are counted apart
circles            groups of files, or of top-level folders, whose members all import each other, directly or through
                   others; files beside the folders count as folders of their own
at import time     the same by imports outside of functions alone

Circles go by all imports that run at some time, also those in functions, but not by those for type checkers. An import
of a module counts for the module's file, not for the ``__init__.py`` of its package. Imports by a string are not seen.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"core": "janiform", "plugins": "janiform_plugins"}
"""Folders whose imports are followed, and their names as packages."""
FOLDERS = (*PACKAGES, "tests")
LONGEST, MOST_ARGUMENTS = 60, 7

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class File:
    """One Python file."""

    path: str
    lines: int
    filled: int
    """Lines that are not blank."""
    code: int
    long: list[str] = field(default_factory=list)
    many: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def measure(path: Path, name: str) -> File:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    file = File(name, len(lines), sum(bool(line.strip()) for line in lines), len(code_lines(text, tree)))
    for qualified, function in functions(tree):
        length, count = (function.end_lineno or function.lineno) - function.lineno + 1, arguments(function)
        if length > LONGEST:
            file.long.append(f"{name}:{function.lineno} {qualified}: {length} lines")
        if count > MOST_ARGUMENTS:
            (file.commands if is_command(function) else file.many).append(
                f"{name}:{function.lineno} {qualified}: {count} arguments"
            )
    return file


def code_lines(text: str, tree: ast.Module) -> set[int]:
    """Numbers of the lines with code: neither blank nor a comment nor part of a docstring."""
    found: set[int] = set()
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        # A string that stands alone documents what it follows, wherever that is.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, Function]]:
    """Every function with its qualified name, nested ones included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{inside}{child.name}"
            if isinstance(child, Function):
                yield name, child
            yield from functions(child, f"{name}.")
        else:
            yield from functions(child, inside)


def arguments(function: Function) -> int:
    """How many arguments a function takes besides ``self`` or ``cls``; ``*args`` and ``**kwargs`` are one each."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    own = bool(named) and named[0].arg in ("self", "cls")
    return len(named) - own + (given.vararg is not None) + (given.kwarg is not None)


def is_command(function: Function) -> bool:
    return any("click" in ast.unparse(decorator) for decorator in function.decorator_list)


def imports(tree: ast.Module, *, at_import: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run; with ``at_import``, only those that run when the module itself is imported."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING":
            waiting += node.orelse
        elif not (at_import and isinstance(node, Function | ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def modules(root: Path) -> dict[str, str]:
    """Module -> its file, relative to ``root``."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            parts = parts[:-1] if parts and parts[-1] == "__init__" else parts
            found[".".join((package, *parts))] = str(path.relative_to(root))
    return found


def import_graph(root: Path, *, at_import: bool) -> dict[str, set[str]]:
    """File -> the files of the same checkout that it imports."""
    files = modules(root)
    graph: dict[str, set[str]] = {file: set() for file in files.values()}
    for module, file in files.items():
        package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
        for node in imports(ast.parse((root / file).read_text(encoding="utf-8")), at_import=at_import):
            graph[file] |= {files[name] for name in targets(node, package, files)} - {file}
    return graph


def targets(node: ast.Import | ast.ImportFrom, package: str, files: Mapping[str, str]) -> Iterator[str]:
    """The modules of the checkout that an import names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in files)
        return
    above = package.split(".")
    base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
    module = ".".join(filter(None, (base, node.module)))
    for alias in node.names:
        name = f"{module}.{alias.name}"
        if name in files:
            yield name
        elif module in files:
            yield module


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Strongly connected components with more than one member, the largest first (Tarjan's algorithm)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], number[other])
        if lowest[node] == number[node]:
            members = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return sorted(found, key=lambda members: (-len(members), members))


def of_folders(graph: Mapping[str, Iterable[str]], root: str) -> dict[str, set[str]]:
    """The graph of the top-level folders, and single files, of a folder of the checkout."""
    folders: dict[str, set[str]] = {}
    for file, others in graph.items():
        if not file.startswith(f"{root}/"):
            continue
        here = file.split("/")[1]
        there = {other.split("/")[1] for other in others if other.startswith(f"{root}/")}
        folders.setdefault(here, set()).update(there - {here})
    return folders


def report(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    graphs = {"circles": import_graph(root, at_import=False), "at import time": import_graph(root, at_import=True)}
    for folder in FOLDERS:
        paths = sorted((root / folder).rglob("*.py"))
        files = [measure(path, str(path.relative_to(root))) for path in paths]
        facts: dict[str, Any] = {
            "files": len(files),
            "lines": sum(file.lines for file in files),
            "code lines": sum(file.code for file in files),
            "files over 300 lines": [f"{file.path}: {file.lines} lines" for file in files if file.lines > 300],
            "one-line modules": [file.path for file in files if file.filled == 1],
            "no code": [file.path for file in files if not file.code],
            "long functions": [one for file in files for one in file.long],
            "many arguments": [one for file in files for one in file.many],
            "many arguments, commands": [one for file in files for one in file.commands],
        }
        if folder in PACKAGES:
            for kind, graph in graphs.items():
                inside = {file: others for file, others in graph.items() if file.startswith(f"{folder}/")}
                inside = {file: {other for other in others if other in inside} for file, others in inside.items()}
                facts[f"{kind}: files"] = circles(inside)
                facts[f"{kind}: folders"] = circles(of_folders(graph, folder))
        found[folder] = facts
    return found


def shown(value: int | list[Any] | None) -> str:
    """A number; of a list how many it has, and of circles also how many members."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if value and isinstance(value[0], list):
        return f"{len(value)} ({'+'.join(str(len(members)) for members in value)})"
    return str(len(value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="Checkout to read; this one by default.")
    parser.add_argument("--list", action="store_true", help="Name what is counted.")
    parser.add_argument("--json", action="store_true", help="Print everything as JSON.")
    arguments_ = parser.parse_args()
    found = report(arguments_.root.resolve())
    if arguments_.json:
        print(json.dumps(found, indent=2))
        return
    kinds = list(dict.fromkeys(kind for facts in found.values() for kind in facts))
    print(f"{'':<26}" + "".join(f"{folder:>16}" for folder in FOLDERS))
    for kind in kinds:
        print(f"{kind:<26}" + "".join(f"{shown(found[folder].get(kind)):>16}" for folder in FOLDERS))
    for folder in FOLDERS if arguments_.list else ():
        for kind, value in found[folder].items():
            if isinstance(value, list) and value and not (folder == "tests" and kind == "no code"):
                print(f"\n{folder}, {kind}:")
                for one in value:
                    print(f"  {one if isinstance(one, str) else ', '.join(one)}")


if __name__ == "__main__":
    main()
