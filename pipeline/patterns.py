"""Regular expressions of users, searched in time that is linear in the text.

Python's own backtrack: one like `(a+)+$` takes ages for a key of thirty letters. RE2
takes no look-around and no references to groups, and never backtracks.
"""

import functools
from typing import Any


@functools.cache
def compiled(pattern: str) -> Any:
    """Compiles a regular expression.

    Raises:
        ValueError: RE2 does not take it; the message says why.
    """
    import re2  # nobody but who gives a pattern waits for it

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        (why,) = error.args
        raise ValueError(why.decode(errors="replace")) from error
