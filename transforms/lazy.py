"""Functions whose modules are loaded when they are first called."""

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any


class LazyFunction:
    """Stands for a function of a module that takes long to load.

    `from maskbeam.transforms import load` would otherwise load TensorFlow, even in a
    program that only prints its help. `help`, editors and pickle find the function
    itself.

    Args:
        module: the function's module.
        name: the function's name, in that module and in the package that exports it.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self.__name__ = self.__qualname__ = name
        self.__module__ = module.rpartition(".")[0]

    @functools.cached_property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function."""
        module = importlib.import_module(self._module)
        function: Callable[..., Any] = getattr(module, self.__name__)
        return function

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        """The function's docstring."""
        return self.__wrapped__.__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's signature."""
        return inspect.signature(self.__wrapped__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function."""
        return self.__wrapped__(*args, **kwargs)

    def __reduce__(self) -> str:
        """Pickles as a name, like any function of a module."""
        return self.__name__
