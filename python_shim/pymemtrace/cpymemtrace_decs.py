# SPDX-License-Identifier: MIT
"""Decorators that run a function in a context of :mod:`pymemtrace.cPyMemTrace`.

Their arguments are those of the context. The context itself is not to be had by the function: use
``profile_write_message_to_log()`` and the other functions of the module. Each call of the function
has a context, and a log, of its own; they may be mixed and nested::

    @profile(0)
    @trace(0, message="lines of f")
    def f(): ...
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable, TypeVar

from pymemtrace import cPyMemTrace

__all__ = ["profile", "trace"]

F = TypeVar("F", bound=Callable[..., Any])


def _in_context(kind: Callable[..., Any], args: Any, kwargs: Any) -> Callable[[F], F]:
    def decorator(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*a: Any, **k: Any) -> Any:
            with kind(*args, **kwargs):
                return function(*a, **k)

        return wrapper  # type: ignore[return-value]

    return decorator


def profile(*args: Any, **kwargs: Any) -> Callable[[F], F]:
    """Runs the function in a ``cPyMemTrace.Profile`` with these arguments."""
    return _in_context(cPyMemTrace.Profile, args, kwargs)


def trace(*args: Any, **kwargs: Any) -> Callable[[F], F]:
    """Runs the function in a ``cPyMemTrace.Trace`` with these arguments."""
    return _in_context(cPyMemTrace.Trace, args, kwargs)


if sys.version_info >= (3, 13):
    __all__ += ["reference_tracing"]

    def reference_tracing(*args: Any, **kwargs: Any) -> Callable[[F], F]:
        """Runs the function in a ``cPyMemTrace.ReferenceTracing`` with these arguments."""
        return _in_context(cPyMemTrace.ReferenceTracing, args, kwargs)
