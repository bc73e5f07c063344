"""House rules that a machine can hold (STYLE habit 12)."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE_SUFFIXES = {".py", ".js", ".css", ".html", ".sql", ".sh"}
PROMISES = {"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P10", "P11", "P12"}
LINES_PER_FILE_MAX = 400
LINES_PER_FUNCTION_MAX = 70

# Spelled in pieces, so that this file keeps its own rule.
REGISTRY_HOSTS = [
    "py" + "pi.org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.deb" + "ian.org",
    "--extra-index" + "-url",
]


def project_files() -> list[Path]:
    """What git tracks or would track; so no .venv, no var/."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def code_files(suffixes: set[str] = CODE_SUFFIXES) -> list[Path]:
    return [path for path in project_files() if path.suffix in suffixes]


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in code_files()
    }
    assert {name: n for name, n in lengths.items() if n > LINES_PER_FILE_MAX} == {}


def test_no_function_is_longer_than_70_lines() -> None:
    long: dict[str, int] = {}
    for path in code_files({".py"}):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LINES_PER_FUNCTION_MAX:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


def test_each_promise_is_named_by_a_test() -> None:
    """A test names the promise it guards, in its own name or docstring: `P2`, `test_p2_…`."""
    named: set[str] = set()
    for path in code_files({".py"}):
        if "tests" not in path.parts or path.name == Path(__file__).name:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
                text = f"{getattr(node, 'name', '')} {ast.get_docstring(node) or ''}"
                named |= {f"P{n}" for n in re.findall(r"(?:\b|_)[pP](\d{1,2})(?=\b|_)", text)}
    missing = sorted(PROMISES - named, key=lambda promise: int(promise[1:]))
    assert missing == [], f"no test names {', '.join(missing)}"


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_registry_is_named(host: str) -> None:
    """Any mirror must serve, so no file says where packages come from."""
    found = [
        str(path.relative_to(ROOT))
        for path in project_files()
        if host.encode() in path.read_bytes()
    ]
    assert found == []
