"""What can go wrong, by whose fault it is; each kind has its exit code."""

DONE, BAD_DATA, WRONG_COMMAND, RUNNER_FAILED = range(4)


class UsageError(Exception):
    """The command is wrong: one line for the user, exit code 2."""


class BadDataError(Exception):
    """The data is bad: exit code 1."""


class RunnerError(Exception):
    """The runner failed: exit code 3."""
