"""Who called: the function of a library in which a traced value would lose its derivative."""

from __future__ import annotations

import re
import sys

from revolve_ad.ad.traced.interception import FOREIGN

__all__ = ["library_call"]

_INSTALLED = re.compile(r"[/\\\\](site|dist)-packages[/\\\\]")


def library_call() -> str:
    """Return "scipy.special.comb has no rule for traced arrays: ", or nothing.

    It names the function of an installed package that the user's code called, if what is running
    was called by one; compiled functions leave no trace of themselves.
    """
    frame = sys._getframe(1)
    name = ""
    while frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == "revolve_ad":
            continue
        if not _INSTALLED.search(frame.f_code.co_filename):
            break
        if "<locals>" in frame.f_code.co_qualname and name:
            continue  # a decorator's wrapper around the function
        public = [part for part in module.split(".") if not part.startswith("_")]
        called = frame.f_code.co_qualname
        if called.endswith(".__call__"):  # an object that stands for a function
            owner = frame.f_locals.get("self")
            called = getattr(owner, "__name__", type(owner).__name__)
        name = ".".join([*public, called])
    module, _, function = name.rpartition(".")
    if function in FOREIGN.get(module, ()):
        return (
            f"{name} is called through a reference that recordings don't see, such as an "
            f"attribute, a dict or a functools.partial; call it as {name}, or import it by name. "
            f"Like this, "
        )
    return f"{name} has no rule for traced arrays: " if name else ""
