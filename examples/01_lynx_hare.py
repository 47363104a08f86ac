"""Fit a predator–prey model to the lynx and hares of the Hudson Bay, 1900–1920.

Hares h and lynxes l, in thousands of pelts, follow Lotka and Volterra,

    dh/dt = a h − b h l,    dl/dt = −g l + d h l    (t in years),

and we look for the four rates and the two numbers at the start that come closest to the data, in
the logarithm.  The model is stepped by classic Runge–Kutta; `ra.value_and_grad` gives the misfit
and its exact gradient to an optimiser of SciPy.  The logarithms of the six unknowns are fitted: so
they stay positive and have comparable sizes.
"""

import numpy as np
import scipy.optimize

import revolve_ad as ra

# Pelts of hare and lynx [thousands] that the Hudson's Bay Company bought in 1900 … 1920:
# C. G. Hewitt, The Conservation of the Wild Life of Canada (1921), as numbers in P. Howard,
# Modeling Basics (Texas A&M University, 2009), page 20.
YEARS = np.arange(1900, 1921)
PELTS = np.array(
    [
        (30.0, 4.0), (47.2, 6.1), (70.2, 9.8), (77.4, 35.2), (36.3, 59.4), (20.6, 41.7),
        (18.1, 19.0), (21.4, 13.0), (22.0, 8.3), (25.4, 9.1), (27.1, 7.4), (40.3, 8.0),
        (57.0, 12.3), (76.6, 19.5), (52.3, 45.7), (19.5, 51.1), (11.2, 29.7), (7.6, 15.8),
        (14.6, 9.7), (16.2, 10.1), (24.7, 8.6),
    ]
)  # fmt: skip
NAMES = ("a", "b", "g", "d", "h0", "l0")
GUESS = (0.5, 0.025, 0.8, 0.025, 30.0, 4.0)

STEPS_A_YEAR = 10
N_STEPS = STEPS_A_YEAR * (len(YEARS) - 1)
DT = 1 / STEPS_A_YEAR


def change(hare, lynx, rates):
    """Return dh/dt and dl/dt."""
    a, b, g, d = rates
    return a * hare - b * hare * lynx, -g * lynx + d * hare * lynx


def step(state, rates, k):
    """Make state k + 1 from state k: classic Runge–Kutta, fourth order."""
    hare, lynx = state
    h1, l1 = change(hare, lynx, rates)
    h2, l2 = change(hare + DT / 2 * h1, lynx + DT / 2 * l1, rates)
    h3, l3 = change(hare + DT / 2 * h2, lynx + DT / 2 * l2, rates)
    h4, l4 = change(hare + DT * h3, lynx + DT * l3, rates)
    return (
        hare + DT / 6 * (h1 + 2 * h2 + 2 * h3 + h4),
        lynx + DT / 6 * (l1 + 2 * l2 + 2 * l3 + l4),
    )


def simulation(memory="2 kB", **options):
    """Return the simulation of 20 years, observed once a year."""
    return ra.Simulation(
        step,
        steps=N_STEPS,
        memory=memory,
        observe=lambda state, rates, k: np.log(np.array(state)),
        observe_at=range(0, N_STEPS + 1, STEPS_A_YEAR),
        **options,
    )


def fit(sim, report=None):
    """Return the six unknowns, their misfit, and the optimiser's own result."""

    def misfit(logarithms):
        a, b, g, d, hare, lynx = np.exp(logarithms)
        run = sim((hare, lynx), (a, b, g, d))
        return np.sum((run.observed - np.log(PELTS)) ** 2)

    found = scipy.optimize.minimize(
        ra.value_and_grad(misfit),
        np.log(GUESS),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-8},
        callback=report,
    )
    return np.exp(found.x), found.fun, found


def main():
    """Fit, and say what came out."""
    sim = simulation()
    print(sim.plan(GUESS[4:], GUESS[:4]))

    n_iterations = 0

    def report(intermediate_result):
        nonlocal n_iterations
        n_iterations += 1
        if n_iterations % 5 == 0:
            print(f"iteration {n_iterations:3d}   misfit {intermediate_result.fun:.6f}")

    unknowns, misfit, found = fit(sim, report)
    print(f"\nafter {found.nfev} gradients, the sum of squares is {misfit:.5f}")
    for name, value in zip(NAMES, unknowns, strict=True):
        print(f"  {name:<3} {value:10.5g}")
    print("\nthe last gradient:")
    print(sim.report)
    return {
        **dict(zip(NAMES, unknowns, strict=True)),
        "sse": misfit,
        "gradients": found.nfev,
        "largest_slope": np.max(np.abs(found.jac)),
        "peak_bytes": sim.report.peak_bytes,
        "budget": sim.report.budget,
    }


def draw(unknowns, path):
    """Draw data and model."""
    from matplotlib import pyplot as plt

    every = ra.Simulation(step, steps=N_STEPS, observe=lambda state, rates, k: np.array(state))
    curves = every(tuple(unknowns[4:]), tuple(unknowns[:4])).observed
    times = YEARS[0] + DT * np.arange(N_STEPS + 1)
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for species, (name, colour) in enumerate([("hare", "tab:blue"), ("lynx", "tab:orange")]):
        axes.plot(times, curves[:, species], color=colour, label=f"{name}, model")
        axes.plot(YEARS, PELTS[:, species], "o", color=colour, markersize=4, label=f"{name}, data")
    axes.set(xlabel="year", ylabel="pelts [thousands]", xticks=YEARS[::4], ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=200)
    plt.close(figure)


if __name__ == "__main__":
    numbers = main()
    draw([numbers[name] for name in NAMES], "01_lynx_hare.png")
