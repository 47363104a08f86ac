"""Writes the names in functions.md: what can be recorded, as the tables of rules have it.

Run ``python docs/make_functions.py`` after a change of the tables; a test says when.
"""

import pathlib
import textwrap
from collections.abc import Iterable

import numpy as np
import scipy.fft
import scipy.integrate
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.sparse.linalg
import scipy.special

from revolve_ad.ad import functions
from revolve_ad.ad.core import elementwise
from revolve_ad.ad.rules.special import MANY, ONE
from revolve_ad.ad.rules.table import FREE, VJP, Missing
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.interception import CREATION, FOREIGN

PAGE = pathlib.Path(__file__).with_name("functions.md")
BEGIN, END = "<!-- names -->", "<!-- end of names -->"
LENT = sorted(FOREIGN.get("numpy.lib.stride_tricks", ()))
"""Functions that NumPy's protocols don't reach."""
assert functions  # importing it fills the tables


def dotted(prefix: str, space: object) -> list[str]:
    """Return the names of a namespace whose functions are in the table."""
    return sorted(
        name
        for name, f in vars(space).items()
        if callable(f) and not isinstance(f, np.ufunc) and not name.startswith("_")
        if _is_entered(f)
    )


def _is_entered(f: object) -> bool:
    try:
        return f in FUNCTIONS
    except TypeError:
        return False


def listed(names: Iterable[str]) -> str:
    """Return names as a paragraph."""
    text = ", ".join(f"`{name}`" for name in names)
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def ufuncs() -> tuple[list[str], list[str]]:
    """Return NumPy's ufuncs with a derivative, and those that are constant between steps."""
    found = {name: f for name, f in vars(np).items() if isinstance(f, np.ufunc)}
    free = {n for n, f in found.items() if VJP.get(elementwise(f)) is None and _free(f)}
    return sorted(found.keys() - free), sorted(free)


def _free(ufunc: np.ufunc) -> bool:
    return elementwise(ufunc) in FREE


def _missing(partial: object) -> bool:
    try:
        return isinstance(partial(), Missing)  # type: ignore[operator]
    except Exception:
        return False


def special() -> tuple[list[str], list[str]]:
    """Return the ufuncs of scipy.special: those with a derivative, those with none."""
    some, none = [], []
    for name, f in vars(scipy.special).items():
        if not isinstance(f, np.ufunc) or getattr(np, name, None) is f:
            continue
        rows = MANY.get(f.__name__) or (ONE.get(f.__name__, ()),)
        if not rows[0]:
            continue
        (none if all(_missing(p) for row in rows for p in row) else some).append(name)
    return sorted(some), sorted(none)


def sections() -> dict[str, list[str]]:
    """Return the names of each section."""
    with_slope, without = ufuncs()
    some, none = special()
    found = {
        "Ufuncs, with `out=`, `where=`, `dtype=`, and the methods `reduce`, `accumulate`, "
        "`reduceat`, `outer`, `at`": with_slope,
        "Ufuncs that are constant between steps: their derivative is zero": without,
        "NumPy": dotted("np", np),
        "`np.linalg`": dotted("np.linalg", np.linalg),
        "`np.fft`": dotted("np.fft", np.fft),
        "`np.lib.stride_tricks`": sorted(
            [*dotted("np.lib.stride_tricks", np.lib.stride_tricks), *LENT]
        ),
        "Arrays from nothing, and from traced numbers": sorted(CREATION),
        "`scipy.special`, ufuncs": some,
        "`scipy.special`, ufuncs without a derivative: they raise when one is asked for": none,
        "`scipy.special`, other functions": sorted(FOREIGN["scipy.special"]),
    }
    for module in ("linalg", "sparse.linalg", "fft", "ndimage", "signal", "integrate"):
        found[f"`scipy.{module}`"] = sorted(FOREIGN[f"scipy.{module}"])
    return found


def page(text: str) -> str:
    """Return the page with the names of the tables between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = [f"## {title}\n\n{listed(names)}\n" for title, names in sections().items()]
    return f"{before}{BEGIN}\n" + "\n".join(parts) + f"{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
