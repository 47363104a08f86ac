"""Numbers that others have published, or that an independent solver gives, with their sources.

Each was checked with SciPy: ODEs by an eighth-order (stiff ones by an implicit) method at tolerance
1e-13 (1e-10) with forward sensitivities, gradients by fourth-order differences as well, and least
squares by ``scipy.optimize.least_squares`` on the exact trajectories.  Where the published digits
are fewer than ours, both stand here.
"""

import numpy as np

__all__ = [
    "BOARDING_SCHOOL",
    "BOARDING_SCHOOL_FIT",
    "HARE_AND_LYNX",
    "HARE_AND_LYNX_FIT",
    "HARE_AND_LYNX_START",
    "LOTKA_VOLTERRA",
    "LOTKA_VOLTERRA_SUNDIALS",
    "ROBERTSON",
    "ROBERTSON_SUNDIALS",
]

# x' = p0 x − p1 x y, y' = −p2 y + p3 x y; p = (1.5, 1, 3, 1), u(0) = (1, 1), t = 10;
# G = ½ ‖u(10) − 1‖².
LOTKA_VOLTERRA_SUNDIALS = {
    # SUNDIALS, examples/cvodes/serial/cvsLotkaVolterra_ASA.out.  Its tolerances leave about six
    # right digits of those it prints; the value of u is right to 3e-8.
    "final_state": np.array([1.026344801589377, 0.9096910639243128]),
    "dG_du0": np.array([0.2995996063968162, -0.01415181419752224]),
    "dG_dp": np.array([0.6219617366263422, 0.06800142188057584, 0.1691765070484725,
                       0.2725607530918812]),
}  # fmt: skip
LOTKA_VOLTERRA = {
    # Right to the last digit shown.  Classic Runge–Kutta comes within 2.2e-5 (relative) with 400
    # steps, 1.4e-6 with 800, 8.8e-8 with 1600, 5.5e-9 with 3200.
    "parameters": np.array([1.5, 1.0, 3.0, 1.0]),
    "start": np.array([1.0, 1.0]),
    "end": 10.0,
    "final_state": np.array([1.02634477, 0.90969108]),
    "G": 0.004424874073,
    "dG_du0": np.array([0.29959951, -0.01415182]),
    "dG_dp": np.array([0.62196159, 0.06800140, 0.16917646, 0.27256069]),
}

# Pelts of hare and lynx [thousands] bought by the Hudson's Bay Company, 1900 … 1920: C. G. Hewitt,
# The Conservation of the Wild Life of Canada (1921), as numbers in P. Howard, Modeling Basics
# (lecture notes of Math 442, Texas A&M University, 2009, page 20), and in B. Carpenter,
# Predator-Prey Population Dynamics: the Lotka-Volterra model in Stan (Stan case studies, 2018).
HARE_AND_LYNX = np.array(
    [
        (30.0, 4.0), (47.2, 6.1), (70.2, 9.8), (77.4, 35.2), (36.3, 59.4), (20.6, 41.7),
        (18.1, 19.0), (21.4, 13.0), (22.0, 8.3), (25.4, 9.1), (27.1, 7.4), (40.3, 8.0),
        (57.0, 12.3), (76.6, 19.5), (52.3, 45.7), (19.5, 51.1), (11.2, 29.7), (7.6, 15.8),
        (14.6, 9.7), (16.2, 10.1), (24.7, 8.6),
    ]
)  # fmt: skip
# hare' = a hare − b hare lynx, lynx' = −g lynx + d hare lynx, t in years from 1900: the least sum
# of squared differences of logarithms over (a, b, g, d, hare(0), lynx(0)), by SciPy alone.
# Classic Runge–Kutta moves the optimum by 1.5e-4 (relative) with 2 steps a year, 1.0e-5 with 4,
# 2.5e-7 with 10, 2.1e-8 with 20.
HARE_AND_LYNX_FIT = {
    "parameters": np.array([0.540159, 0.0271654, 0.796386, 0.0236946, 34.6024, 5.84451]),
    "sum_of_squares": 2.0186612,
}
# From here L-BFGS-B reaches it in about 25 evaluations over the logarithms of the six (90 over the
# six themselves).  From starts that are off by a factor exp(0.3 z), z normal, it did in 20 of 20
# trials, from exp(0.5 z) in 19.  Twice this start (rates 1, 0.05, 1, 0.05) ends in another minimum,
# sum of squares 16.149.
HARE_AND_LYNX_START = np.array([0.5, 0.025, 0.8, 0.025, 30.0, 4.0])

# Boys confined to bed, days 1 … 14 of an influenza epidemic: Anonymous, Influenza in a boarding
# school, British Medical Journal 1 (1978) 587; fitted by J. D. Murray, Mathematical Biology I (3rd
# edition, 2002), section 10.2: r = 2.18e-3 a day, a = 0.44 a day.
BOARDING_SCHOOL = np.array([3, 8, 26, 76, 225, 298, 258, 233, 189, 128, 68, 29, 14, 4], dtype=float)
# S' = −r S I, I' = r S I − a I, S(0) = 762, I(0) = 1 on day 0.
BOARDING_SCHOOL_FIT = {"r": 2.18771e-3, "a": 0.443450, "sum_of_squares": 4121.941}

# y1' = −p1 y1 + p2 y2 y3, y2' = p1 y1 − p2 y2 y3 − p3 y2², y3' = p3 y2²; y(0) = (1, 0, 0),
# p = (0.04, 1e4, 3e7); G(T) is the integral of y3 over [0, T].
ROBERTSON_SUNDIALS = {
    # SUNDIALS, examples/cvodes/serial/cvsRoberts_ASAi_dns.out; right to about four digits.
    4e7: {"G": 3.9983e7, "dG_dp": np.array([7.6842e5, -3.0691, 5.1145e-4])},
    50.0: {"dG_dp": np.array([1.7341e2, -5.0591e-4, 8.4323e-8])},
}
ROBERTSON = {
    4e7: {"G": 3.998253e7, "dG_dp": np.array([7.683773e5, -3.068921, 5.114890e-4])},
    50.0: {"G": 10.94864848, "dG_dp": np.array([1.7341409e2, -5.0591914e-4, 8.4323465e-8])},
}
