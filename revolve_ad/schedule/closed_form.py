"""How many plain steps, repetitions and saves the best schedule of N steps and s checkpoints needs.

Everything here is integer arithmetic in closed form, exact for any N.  The symbols are those of
Griewank and Walther (2000), doi:10.1145/347837.347846: s checkpoints, the one of state 0 included,
and r, the most often that any step is run plainly; their m is our n_steps.
"""

from math import comb

from revolve_ad.schedule.arguments import count

__all__ = ["beta", "min_saves", "repetitions", "split", "t"]


def beta(s: int, r: int) -> int:
    """Return C(s + r, s): the longest chain that s checkpoints reverse with repetition r.

    It is 0 where s or r is negative, so that the split rules need no special cases.
    """
    return comb(s + r, s) if s >= 0 and r >= 0 else 0


def repetitions(n_steps: int, n_checkpoints: int) -> int:
    """Return r, the number of times that the most repeated step is run plainly.

    The smallest r with ``n_steps <= beta(n_checkpoints, r)``.

    Parameters
    ----------
    n_steps : int
        Number of steps, at least 1.
    n_checkpoints : int
        Checkpoints held at a time, the one of state 0 included; at least 1.

    Raises
    ------
    ParameterError
        If an argument is no integer or is below 1.

    Examples
    --------
    >>> repetitions(10**6, 10)
    13
    """
    n = count("n_steps", n_steps, 1)
    s = count("n_checkpoints", n_checkpoints, 1)
    return _repetitions(n, s)


def t(n_steps: int, n_checkpoints: int) -> int:
    """Return the fewest plain steps that reverse a chain, those of the first sweep included.

    A gradient then evaluates ``n_steps + t`` steps, since each step is recorded once besides; the
    run alone evaluates n_steps, so t is the price of the memory saved.

    Parameters
    ----------
    n_steps : int
        Number of steps, at least 1.
    n_checkpoints : int
        Checkpoints held at a time, the one of state 0 included; at least 1.

    Returns
    -------
    int
        ``r * n_steps - beta(n_checkpoints + 1, r - 1)`` with r the repetitions.

    Raises
    ------
    ParameterError
        If an argument is no integer or is below 1.

    Notes
    -----
    Griewank (1992), doi:10.1080/10556789208805505, and Grimm, Pottier and Rostaing-Schmidt (1996)
    prove that no schedule of checkpoints alone needs fewer.

    Examples
    --------
    >>> t(10, 3), t(10**6, 10)
    (15, 11647922)
    """
    n = count("n_steps", n_steps, 1)
    s = count("n_checkpoints", n_checkpoints, 1)
    return plain_steps(n, s)


def min_saves(n_steps: int, n_checkpoints: int) -> int:
    """Return the fewest saves, that of state 0 included, among schedules with `t` plain steps.

    Parameters
    ----------
    n_steps : int
        Number of steps, at least 1.
    n_checkpoints : int
        Checkpoints held at a time, the one of state 0 included; at least 1.

    Returns
    -------
    int
        ``max(beta(s - 1, r - 1), n_steps - beta(s, r - 1))``, and 1 for one step.

    Raises
    ------
    ParameterError
        If an argument is no integer or is below 1.

    Notes
    -----
    At ``n_steps = beta(s, r)`` the recurrence of the binomial schedule gives ``beta(s - 1, r)``;
    between those lengths the formula is compared with a dynamic programme that minimises plain
    steps first and saves second, in the tests.

    Examples
    --------
    >>> min_saves(10**6, 10)
    353354
    """
    n = count("n_steps", n_steps, 1)
    s = count("n_checkpoints", n_checkpoints, 1)
    r = _repetitions(n, s)
    return max(1, beta(s - 1, r - 1), n - beta(s, r - 1))


def plain_steps(n: int, s: int) -> int:
    """Return `t` of arguments known to be sound, and 0 for no steps."""
    if n <= s + 1:  # the common case inside of the searches of other schedules
        return max(0, n - 1)
    r = _repetitions(n, s)
    return r * n - beta(s + 1, r - 1)


def split(n: int, s: int, r: int) -> int:
    """Return how many steps to advance before the next save: optimal, and with the fewest saves.

    Parameters
    ----------
    n : int
        Number of steps still to reverse from the live state, at least 2.
    s : int
        Checkpoints left for them, the one of their first state included; at least 1.
    r : int
        ``repetitions(n, s)``.

    Notes
    -----
    An advance of m steps keeps t minimal if and only if it lies between the bounds of the last
    line; within them the choice above it is Griewank and Walther's, the one with the fewest saves.
    """
    if s == 1:
        return n - 1
    # All from one binomial coefficient, by Pascal's rule and by exact divisions.
    largest = beta(s, r)
    left_most = largest * r // (s + r)  # beta(s, r - 1)
    left_least = left_most * (r - 1) // (s + r - 1)  # beta(s, r - 2)
    right_most = largest - left_most  # beta(s - 1, r)
    right_least = left_most - left_least  # beta(s - 1, r - 1)
    inner = right_least * (s - 1) // (s + r - 2)  # beta(s - 2, r - 1)
    outer = right_most * (s - 1) // (s + r - 1) * (s - 2) // (s + r - 2)  # beta(s - 3, r)
    if n <= left_most + inner:
        m = left_least
    elif n >= largest - outer:
        m = left_most
    else:
        m = n - right_least - inner
    return max(1, left_least, n - right_most, min(m, left_most, n - right_least))


def repetitions_near(n: int, s: int, guess: int) -> int:
    """Return ``repetitions(n, s)`` for n >= 2, at once if `guess` is nearly right."""
    r, largest = guess, beta(s, guess)
    for _ in range(8):
        if largest < n:
            r += 1
            largest = largest * (s + r) // r
        elif (below := largest * r // (s + r)) >= n:
            r, largest = r - 1, below
        else:
            return r
    return _repetitions(n, s)


def _repetitions(n: int, s: int) -> int:
    if n == 1:
        return 0
    if s == 1:
        return n - 1
    high = 1
    while beta(s, high) < n:
        high *= 2
    low = high // 2  # beta(s, low) < n <= beta(s, high)
    while high - low > 1:
        middle = (low + high) // 2
        if beta(s, middle) < n:
            low = middle
        else:
            high = middle
    return high
