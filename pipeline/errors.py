"""What can go wrong, by whose fault it is; each kind has its own exit code."""

import re
from collections.abc import Mapping, Sequence

from maskbeam.pipeline.terminal import escaped

DONE, BAD_DATA, WRONG_COMMAND, RUNNER_FAILED = range(4)

_LINE_CHARACTERS = 1000


class UsageError(Exception):
    """The command is wrong: one line for the user, exit code 2.

    Args:
        message: the line.
        more: further lines, of what there is to choose from.
    """

    def __init__(self, message: str, *more: str) -> None:
        super().__init__("\n".join((message, *more)))
        self.message = message
        self.more = more


class BadDataError(Exception):
    """The data is bad: exit code 1.

    Args:
        message: what is wrong with it, and what you can do.
        rejections: how many rows were rejected, by stage.
        files: files that name each rejected row and its reason, a JSON line each.
    """

    def __init__(
        self,
        message: str,
        rejections: Mapping[str, int] | None = None,
        files: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.rejections = rejections or {}
        self.files = files


class OwnCodeError(Exception):
    """The user's own code cannot be loaded, or raises an error: one line says which."""


class StoreError(Exception):
    """A store does not answer, and may do so later: the runner tries again."""


class RunnerError(Exception):
    """The runner failed: exit code 3."""


class MachineError(RunnerError):
    """The disk is full, or the like: exit code 3, and no trace would help."""


_LONGEST = 300


def in_words(error: BaseException) -> str:
    """Returns an error as a line that can be shown, and is not long."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    text = " ".join(str(error).split())
    if not isinstance(error, (OSError, ValueError)) or not text:
        text = f"{type(error).__name__}: {text}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_WHERE = re.compile(r"\{\{function_node [^}]*\}\}\s*")
_BEFORE = ("<stack traces unavailable>\n", "\n\n")


def reason_of(message: str) -> str:
    """Returns what an error of TensorFlow's says, without where it was raised."""
    text = message.split("\n\t [[", 1)[0]
    if "Detected at node" in text:
        for mark in _BEFORE:
            text = text.rpartition(mark)[2]
    return " ".join(_WHERE.sub("", text).split())


def one_line(error: Exception | str) -> str:
    """Writes an error's message as one line that a terminal shows as it is.

    It may quote names and values that are long, or have line ends or codes of control.
    """
    text = escaped(str(error))
    half = _LINE_CHARACTERS // 2
    return text if len(text) <= 2 * half else f"{text[:half]} ... {text[-half:]}"
