"""The code of the user's own function, which goes to the workers as it is.

Workers get the text of the file, and neither its path nor what lies beside it: what it
imports has to be installed there.
"""

import dataclasses
import linecache
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from maskbeam.pipeline import values
from maskbeam.pipeline.errors import OwnCodeError, UsageError
from maskbeam.pipeline.formats import texts

Function = Callable[[Mapping[str, Any]], Mapping[str, Any]]

OPTION = "--preprocessing_fn"
_MAX_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Code:
    """The user's own function.

    Attributes:
        path: the file, as the user gave it; for a callable, what it is called.
        name: the function's name in the file.
        text: the file's; None if there is a callable.
        function: the callable, if Python gave one.
        digest: tells codes apart, on all workers.
    """

    path: str
    name: str
    text: str | None = None
    function: Function | None = dataclasses.field(default=None, compare=False)
    digest: str = ""

    def load(self) -> Function:
        """Runs the file, and finds the function.

        Raises:
            OwnCodeError: the file fails, or has no such function.
        """
        if self.function is not None:
            return _plain(self.function)
        assert self.text is not None
        module = types.ModuleType("maskbeam_preprocessing_fn")
        module.__file__ = self.path
        lines = self.text.splitlines(keepends=True)
        linecache.cache[self.path] = (len(self.text), None, lines, self.path)
        try:
            # It is the user's program, which the user asked to run.
            exec(compile(self.text, self.path, "exec"), module.__dict__)  # noqa: S102
        except (Exception, SystemExit) as error:
            raise OwnCodeError(f"{OPTION} {self.path}: {raised(error)}") from error
        function = getattr(module, self.name, None)
        if not callable(function):
            there = sorted(
                name
                for name, value in vars(module).items()
                if isinstance(value, types.FunctionType) and not name.startswith("_")
            )
            has = f"it has {', '.join(there)}" if there else "it has none"
            raise OwnCodeError(
                f"{OPTION} {self.path} has no function {self.name!r}; {has} (say which "
                "by FILE.py:NAME)"
            )
        return _plain(function)


def _plain(function: Any) -> Function:
    """Takes a function out of its `tf.function`, in which nobody sees its analyzers."""
    found: Function = getattr(function, "python_function", function)
    return found


def raised(error: BaseException) -> str:
    """Says in one line what an error of the user's code is, and where it was raised."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "maskbeam_preprocessing_fn":
            place = f" (line {trace.tb_lineno})"
        trace = trace.tb_next
    hint = ""
    if isinstance(error, ImportError):
        hint = ": the file goes to workers alone; it may import what is installed there"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}{hint}"


def read(given: Any) -> Code | None:
    """Reads the option's value: None, `FILE.py[:NAME]`, or a callable.

    Raises:
        UsageError: there is no such file, or it is no text.
    """
    if given is None:
        return None
    if callable(given):
        name = values.name_of(given)
        return Code(name, name, function=given, digest=uuid.uuid4().hex)
    path, colon, name = given.rpartition(":")
    if not (colon and path.endswith(".py")):
        path, name = given, "preprocessing_fn"
    try:
        return Code(path, name, texts.read(path, _MAX_BYTES))
    except UsageError as error:
        raise UsageError(f"{OPTION} {error}") from error
