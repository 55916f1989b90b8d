"""Pages of the documentation: their snippets, run as they stand, and their links."""

import ast
import functools
import io
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tokenize
import urllib.parse
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

ROOT = pathlib.Path(__file__).parent.parent

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
# What only a shell does, or another program.
_QUOTED = re.compile(r"'[^']*'")
_OF_A_SHELL = re.compile(r"[&;<>|$*?]|^(?!maskbeam )(?=.)", re.MULTILINE)
_DTYPES = {"f": "float", "i": "int", "u": "uint"}
_TENSOR = re.compile(r"([fiu])(\d+)\[([\d ]+)\]")


class Snippet(NamedTuple):
    """A fenced block: its language, and its text."""

    language: str
    text: str


def pages() -> list[str]:
    """All pages, as paths below the root."""
    found = {"README.md", "CHANGELOG.md", "launch_scripts/README.md"}
    found |= {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    found |= {path.name for path in ROOT.glob("*.md")}
    return sorted(found)


@functools.cache
def text_of(page: str) -> str:
    """A page's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def snippets(page: str) -> list[Snippet]:
    """A page's fenced blocks, in order."""
    return [Snippet(*found.groups()) for found in _FENCED.finditer(text_of(page))]


def inline_code(page: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    bare = _FENCED.sub("", text_of(page))
    return [found.replace(r"\|", "|") for found in _INLINE.findall(bare)]


def links(page: str) -> list[str]:
    """The targets of all links and pictures."""
    return links_of(text_of(page))


def links_of(text: str) -> list[str]:
    """The targets of all links and pictures of a text in Markdown."""
    return _LINK.findall(_FENCED.sub("", text))


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    return {_anchor(heading) for heading in _HEADING.findall(text_of(page))}


def _anchor(heading: str) -> str:
    # html-pipeline's: lower case, without signs, a dash for each space.
    words = re.sub(r"[^\w\- ]", "", heading.lower())
    return words.replace(" ", "-")


def broken(page: str) -> list[str]:
    """The links of a page that lead nowhere; the net's are not tried."""
    found = []
    for link in links(page):
        if urllib.parse.urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists():
            found.append(link)
        elif anchor:
            of = os.path.relpath(target.resolve(), ROOT.resolve())
            if anchor not in anchors(of):
                found.append(link)
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell's lines, as words."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


class Runner:
    """Runs a page's snippets in the working directory, one after the other.

    Attributes:
        names: what Python's snippets have defined, or found defined.
    """

    def __init__(self, page: str, names: dict[str, Any]) -> None:
        self._page = page
        self.names = names

    def run(self, snippet: Snippet) -> None:
        """Runs one; a YAML block becomes the file that its first line names."""
        if snippet.language == "python":
            run_python(self._page, snippet.text, self.names)
        elif snippet.language == "sh":
            run_shell(snippet.text)
        elif snippet.language == "yaml":
            run_yaml(snippet.text)
        else:
            assert not snippet.language, snippet.language


def run_shell(text: str) -> None:
    """Runs lines of a shell by bash; where all are maskbeam's, in this process."""
    from maskbeam.pipeline.command_line import main

    if not _OF_A_SHELL.search(_QUOTED.sub("", text.replace("\\\n", " "))):
        for words in commands(text):
            assert main(words[1:]) == 0, words
        return
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run_yaml(text: str) -> None:
    """Writes a class map to the file that its first line names, and reads it."""
    from maskbeam.transforms import class_files

    name = re.match(r"# (\w+\.yaml)\n", text)
    assert name, f"a class map needs the name of its file: {text}"
    pathlib.Path(name[1]).write_text(text, encoding="utf-8")
    class_files.load_class_map(name[1])


def run_python(page: str, text: str, names: dict[str, Any]) -> None:
    """Runs a block; values that comments behind expressions promise are compared."""
    tree = _Comparing(text).visit(ast.parse(text, page))
    code = compile(ast.fix_missing_locations(tree), page, "exec")
    names["_compare"] = _compare
    exec(code, names)  # it is ours


class _Comparing(ast.NodeTransformer):
    """Has each expression compared with the comment behind it."""

    def __init__(self, text: str) -> None:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        self._comments = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokens
            if token.type == tokenize.COMMENT
        }

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:  # noqa: N802 - as ast calls it
        comment = self._comments.get(node.end_lineno or 0)
        if comment is None:
            return node
        function = ast.Name("_compare", ast.Load())
        call = ast.Call(function, [node.value, ast.Constant(comment)], [])
        return ast.copy_location(ast.Expr(call), node)


def _compare(value: Any, comment: str) -> None:
    """Holds a value against `f32[8 2]`, or a literal; other comments are prose."""
    if found := _TENSOR.match(comment):
        dtype = np.dtype(f"{_DTYPES[found[1]]}{found[2]}")
        assert value.dtype.as_numpy_dtype == dtype, comment
        assert value.shape == tuple(map(int, found[3].split())), comment
    elif comment.startswith(("{", "[")):
        assert value == ast.literal_eval(comment), comment


def messages(folders: tuple[str, ...]) -> list[str]:
    """All texts of the source, with a NUL where a value is put in; backticks taken out.

    Python has joined texts that stand side by side.
    """
    found = map(_template, _nodes(folders))
    return [text for text in found if " " in text]


def raised(folders: tuple[str, ...], errors: Collection[str]) -> list[str]:
    """The texts that errors of some names are raised with, as `messages` has them.

    Those of fewer than three words say what another error said.
    """
    calls = [
        node.exc
        for node in _nodes(folders)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    texts = [
        _template(argument)
        for call in calls
        if ast.unparse(call.func) in errors
        for argument in call.args
    ]
    return [text for text in texts if len(text.replace("\0", " ").split()) > 2]


@functools.cache
def _nodes(folders: tuple[str, ...]) -> list[ast.AST]:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in paths)
    return [node for tree in trees for node in ast.walk(tree)]


def _template(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        text = str(node.value)
    elif isinstance(node, ast.JoinedStr):
        parts = node.values
        text = "".join(
            str(part.value) if isinstance(part, ast.Constant) else "\0"
            for part in parts
        )
    else:
        return ""
    return text.replace("`", "")


def matches(words: str, message: str) -> bool:
    """Whether a message may have these words, in which `...` stands for anything."""
    at = 0
    for part in (piece.strip() for piece in words.split("...")):
        at = message.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
