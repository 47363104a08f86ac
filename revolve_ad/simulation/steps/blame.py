"""Says in which step an exception of the user's code was raised."""

import re
from collections.abc import Callable
from typing import Any

from revolve_ad.errors import IndexRangeError, RevolveError, WriteError
from revolve_ad.simulation.steps.signature import named_arguments, takes

__all__ = ["blame", "left_array", "one_of"]

_OF_A_LIST = re.compile("multiply sequence|operand type.*'(list|tuple)'")
_NO_INTEGER = re.compile(
    "only integers, slices|interpreted as an integer|indices must be integers|only integer scalar"
    "|sequence of integers|operand type.*'float' and 'int'"
)
_DOES_NOT_FIT = re.compile("could not broadcast input|broadcast to indexing result")


def blame(
    error: Exception,
    where: str,
    written: Callable[[], list[str]] | None = None,
    called: tuple[Callable[..., Any], str] | None = None,
) -> None:
    """Add to an exception where it was raised; its type and traceback stay.

    Parameters
    ----------
    error : Exception
        The exception being handled; raise it again after this.
    where : str
        Such as ``"step 3"``.
    written : callable, optional
        Finds out which leaves were written into, if that was it.
    called : (function, str), optional
        What was called, and how, such as ``"step(state, params, k)"``: a function that takes other
        arguments is told so.

    Raises
    ------
    WriteError
        In its place, if it came of a write into memory that may only be read.
    """
    text = str(error)
    refused = isinstance(error, ValueError) and "read-only" in text
    if isinstance(error, WriteError) or (refused and not isinstance(error, RevolveError)):
        leaves = [] if written is None else written()
        what = ", ".join(leaves) if leaves else "an array that may only be read"
        raise WriteError(
            f"{where} writes into {what} ({text}). A step may update its state in place, but "
            "neither params nor inputs: copy them first, or make what changes a part of the state."
        ) from error
    error.add_note(f"revolve_ad: raised in {where}")
    if isinstance(error, (AttributeError, TypeError)) and "NoneType" in text:
        error.add_note(
            "revolve_ad: where params aren't given, sim(state), they are None in the step"
        )
    if isinstance(error, ValueError) and _DOES_NOT_FIT.search(text):
        error.add_note(
            "revolve_ad: NumPy cuts a slice such as u[k : k + 3] off at the end of its array, and "
            "refuses what doesn't fit into the rest; keep its start in range, such as by "
            "i = np.minimum(k, len(u) - 3), or make the array longer with np.pad"
        )
    if isinstance(error, TypeError) and _OF_A_LIST.search(text):
        error.add_note(
            "revolve_ad: a list or a tuple that is given as state, params or inputs stays one, "
            "each number in it a leaf; give np.array(...) to compute with all of them at once"
        )
    if isinstance(error, (IndexError, TypeError)) and _NO_INTEGER.search(text):
        error.add_note(
            "revolve_ad: a Python int in the state or in params counts as a float, since it may be "
            "differentiated; give np.int64(0) for a counter, an index or a number of passes"
        )
    if called is not None and isinstance(error, TypeError) and not takes(*called):
        function, call = called
        error.add_note(
            f"revolve_ad: it takes {named_arguments(function)}, and is called as {call}; let it "
            "take these arguments"
        )


def left_array(error: IndexError, where: str) -> IndexRangeError:
    """Return the error for a tape of which an index or a moving slice left its array.

    Parameters
    ----------
    error : IndexError
        What NumPy, or compiled code, said.
    where : str
        Such as ``"step 3"``.
    """
    return IndexRangeError(
        f"{where} reads or writes outside of an array ({error}). A slice u[k : k + 3] is recorded "
        "with its length, so it must lie within the array in each step, where NumPy would cut it "
        "off at the end. Keep its start in range, such as by i = np.minimum(k, len(u) - 3) or "
        "np.clip, or make the array longer with np.pad."
    )


def one_of(start: int, stop: int) -> str:
    """Return which step it was, as far as code that takes many at once can tell."""
    return f"step {start}" if stop == start + 1 else f"one of the steps {start} to {stop - 1}"
