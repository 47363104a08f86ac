"""The closed forms equal a dynamic programme that knows only the recurrence."""

from revolve_ad.schedule.closed_form import beta, min_saves, repetitions, repetitions_near, split, t

N, S = 300, 12


def _best_by_recurrence() -> list[list[tuple[int, int]]]:
    """Plain steps, then saves beyond that of state 0, minimised in this order: [s][n]."""
    best = [[(0, 0)] * (N + 1) for _ in range(S + 1)]
    for n in range(2, N + 1):
        best[1][n] = (n * (n - 1) // 2, 0)
    for s in range(2, S + 1):
        left, right = best[s], best[s - 1]
        for n in range(2, N + 1):
            left[n] = min(
                (m + left[m][0] + right[n - m][0], (n - m > 1) + left[m][1] + right[n - m][1])
                for m in range(1, n)
            )
    return best


BEST = _best_by_recurrence()


def test_t_and_min_saves_equal_the_dynamic_programme() -> None:
    for s in range(1, S + 1):
        for n in range(1, N + 1):
            assert (t(n, s), min_saves(n, s) - 1) == BEST[s][n], (n, s)


def test_every_split_keeps_both_minima() -> None:
    for s in range(2, S + 1):
        for n in range(2, N + 1):
            m = split(n, s, repetitions(n, s))
            left, right = BEST[s][m], BEST[s - 1][n - m]
            cost = m + left[0] + right[0], (n - m > 1) + left[1] + right[1]
            assert cost == BEST[s][n], (n, s)


def test_repetitions_are_the_smallest_that_reach() -> None:
    for s in (1, 2, 3, 7, 50, 10**6):
        for n in (1, 2, 3, 51, 52, 10**4, 10**12):
            r = repetitions(n, s)
            assert beta(s, r) >= n > beta(s, r - 1)


def test_any_guess_leads_to_the_repetitions() -> None:
    for s in (1, 2, 5, 40):
        for n in (2, 3, 10, 999, 10**9):
            for guess in (0, 1, 2, 7, 50, 10**5):
                assert repetitions_near(n, s, guess) == repetitions(n, s)


def test_the_figures_of_a_million_and_a_billion_steps() -> None:
    assert (t(10**6, 10), min_saves(10**6, 10)) == (11_647_922, 353_354)
    assert t(10**9, 20) == 13_072_016_240
    assert t(10**12, 5) == 542_826_674_904_808
