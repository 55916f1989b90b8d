"""Large rows take turns: together they need no more memory than a few may.

Small rows never wait. A large one waits until those before it have left enough of what
all threads of this process share; one that is larger than all of it goes by itself.
"""

import contextlib
import threading
from collections.abc import Iterator

_NO_WAIT = contextlib.nullcontext()


class Turns:
    """What rows share.

    Args:
        budget: how many bytes may be taken at once.
        small: a row that takes fewer bytes does not wait.
    """

    def __init__(self, budget: int, small: int) -> None:
        self._budget = budget
        self._small = small
        self._taken = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> contextlib.AbstractContextManager[None]:
        """Waits for a turn, and has it until the block ends.

        Args:
            size: how many bytes will be needed, about.
        """
        return _NO_WAIT if size < self._small else self._take(size)

    @contextlib.contextmanager
    def _take(self, size: int) -> Iterator[None]:
        size = min(size, self._budget)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + size <= self._budget)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


# Whoever reads may wait for whoever decodes, and never the other way round.
READ = Turns(budget=512 << 20, small=32 << 20)
DECODE = Turns(budget=1536 << 20, small=64 << 20)
