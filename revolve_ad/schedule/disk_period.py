"""How many steps apart checkpoints on an unbounded disk are best placed."""

from revolve_ad.schedule.arguments import cost, count
from revolve_ad.schedule.closed_form import beta

__all__ = ["disk_period"]


def disk_period(ram: int, *, step: float, write: float, read: float) -> int:
    """Return how many steps apart checkpoints on an unbounded disk are best placed.

    Parameters
    ----------
    ram : int
        Slots in RAM, at least 1, that reverse the steps between two checkpoints on disk; one of
        them holds the first state of these.
    step, write, read : float
        Cost of a plain step (above 0), of a save and of a restore.

    Returns
    -------
    int
        ``beta(ram, r)`` with the smallest r for which ``beta(ram + 1, r) * step >= write + read``.

    Raises
    ------
    ParameterError
        If an argument is not a number of the kind above.

    Notes
    -----
    A period of m steps costs ``(write + read + step * (m + t(m, ram))) / m`` a step, and by
    ``t(m, ram) = r * m - beta(ram + 1, r - 1)`` that is monotone between two lengths at which r
    grows.  Aupy and Herrmann (2017), doi:10.1080/10556788.2017.1330459, conjecture a closed form.

    Examples
    --------
    >>> disk_period(5, step=1.0, write=20.0, read=20.0)
    56
    """
    c = count("ram", ram, 1)
    target = (cost("write", write) + cost("read", read)) / cost("step", step, positive=True)
    high = 1
    while beta(c + 1, high) < target:
        high *= 2
    low = high // 2 if high > 1 else -1
    while high - low > 1:
        middle = (low + high) // 2
        if beta(c + 1, middle) < target:
            low = middle
        else:
            high = middle
    return beta(c, high)
