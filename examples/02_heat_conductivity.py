"""Find a plate's conductivity, cell by cell, from noisy temperatures, in a twentieth of the memory.

A plate of n × n cells cools after it was heated in spots; no heat crosses its boundary:

    ∂u/∂t = ∇ · (κ ∇u),    κ(x, y) unknown in each cell.

Thermometers on every other cell read the temperature ten times, with noise.  The best κ minimises
half the sum of squared misfits plus a mild penalty on differences of log κ between neighbours: a
problem of thousands of unknowns, whose gradient costs a few simulations.  Storing all states
for it would take 20 times the memory that the simulation is given here.
"""

import time

import numpy as np
import scipy.optimize

import revolve_ad as ra

N = 40  # cells along each side
N_STEPS = 800
R = 0.12  # time step over cell width squared; explicit Euler is stable for κ < 2.08
EVERY = N_STEPS // 10
NOISE = 0.002  # standard deviation of a thermometer; temperatures are of the order of 1
PENALTY = 0.002

STATE_BYTES = 8 * N * N
STORE_ALL = STATE_BYTES * N_STEPS
BUDGET = STORE_ALL // 20


def centres(n=N):
    """Return the coordinates of the cell centres, two arrays of shape (n, n)."""
    x = (np.arange(n) + 0.5) / n
    return np.meshgrid(x, x, indexing="ij")


def start(n=N):
    """Return the temperature at the start, shape (n, n): a slope, and spots hot and cold."""
    x, y = centres(n)
    slope = np.cos(np.pi * x) - np.cos(np.pi * y)
    return slope + np.cos(3 * np.pi * x) * np.cos(3 * np.pi * y)


def true_conductivity():
    """Return the κ to be found, shape (N, N): 1 but for a ring that conducts well, and a hole."""
    x, y = centres()
    ring = np.exp(-(((np.hypot(x - 0.62, y - 0.60) - 0.2) / 0.06) ** 2))
    hole = np.exp(-(((x - 0.27) ** 2 + (y - 0.28) ** 2) / 0.1**2))
    return np.exp(0.7 * ring - 0.9 * hole)


def faces(kappa):
    """Return the conductances of the faces between cells, R times the mean of both sides."""
    return R / 2 * (kappa[1:, :] + kappa[:-1, :]), R / 2 * (kappa[:, 1:] + kappa[:, :-1])


def step(u, conductances, k):
    """Make state k + 1 from state k, in place: explicit Euler."""
    vertical, horizontal = conductances
    down = vertical * (u[1:, :] - u[:-1, :])
    right = horizontal * (u[:, 1:] - u[:, :-1])
    u[:-1, :] += down
    u[1:, :] -= down
    u[:, :-1] += right
    u[:, 1:] -= right
    return u


def simulation(memory=BUDGET, **options):
    """Return the simulation, read by thermometers on every other cell, ten times."""
    return ra.Simulation(
        step,
        steps=N_STEPS,
        memory=memory,
        observe=lambda u, conductances, k: u[::2, ::2],
        observe_at=range(EVERY, N_STEPS + 1, EVERY),
        **options,
    )


def measure(rng):
    """Return what the thermometers read, shape (10, N/2, N/2)."""
    exact = simulation()(start(), faces(true_conductivity())).observed
    return exact + NOISE * rng.standard_normal(exact.shape)


def objective(sim, data):
    """Return the function to be minimised, of log κ as a vector; at the noise level it is 0.5."""

    def misfit(log_kappa):
        log_kappa = log_kappa.reshape(N, N)
        run = sim(start(), faces(np.exp(log_kappa)))
        rough = np.sum(np.diff(log_kappa, axis=0) ** 2) + np.sum(np.diff(log_kappa, axis=1) ** 2)
        return 0.5 * np.mean(((run.observed - data) / NOISE) ** 2) + PENALTY * rough

    return misfit


def error_of(log_kappa):
    """Return the root mean square of log κ minus the true one."""
    return float(np.sqrt(np.mean((log_kappa.reshape(N, N) - np.log(true_conductivity())) ** 2)))


def recover(sim, data, n_iterations=25, report=None):
    """Return log κ, from κ = 1 everywhere, and the optimiser's own result."""
    found = scipy.optimize.minimize(
        ra.value_and_grad(objective(sim, data)),
        np.zeros(N * N),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": n_iterations, "maxcor": 20},
        callback=report,
    )
    return found.x, found


def problem(n=160):
    """Return simulation, state and params, for ``revolve-ad compare``."""
    return simulation(), start(n), faces(np.ones((n, n)))


def progress(every=5):
    """Return a callback of the optimiser that prints a line now and then."""
    began, n_done = time.perf_counter(), 0

    def report(intermediate_result):
        nonlocal n_done
        n_done += 1
        if n_done == 1 or n_done % every == 0:
            print(
                f"iteration {n_done:3d}   objective {intermediate_result.fun:9.4f}   "
                f"error of log κ {error_of(intermediate_result.x):.4f}   "
                f"{time.perf_counter() - began:5.1f} s",
                flush=True,
            )

    return report


def main():
    """Recover the conductivity, and say what it cost."""
    rng = np.random.default_rng(3)
    sim = simulation()
    data = measure(rng)
    print(f"all states: {STORE_ALL:,} bytes; the budget: {BUDGET:,} bytes\n")
    print(sim.plan(start(), faces(np.ones((N, N)))))

    print()
    misfit = objective(sim, data)
    check = ra.check_gradient(misfit, 0.2 * rng.standard_normal(N * N), directions=1, rng=rng)
    print(check)
    check.raise_if_bad()

    print()
    log_kappa, found = recover(sim, data, report=progress())
    first, error = error_of(np.zeros(N * N)), error_of(log_kappa)
    print(f"\n{found.nfev} gradients; error of log κ: {first:.4f} at the start, {error:.4f} now")
    print("\nthe last gradient:")
    print(sim.report)
    return {
        "error": error,
        "first_error": first,
        "objective": found.fun,
        "gradients": found.nfev,
        "rates": np.array(check.rates),
        "peak_bytes": sim.report.peak_bytes,
        "store_all_bytes": STORE_ALL,
        "recomputation": sim.report.recomputation,
        "log_kappa": log_kappa.reshape(N, N),
    }


def draw(log_kappa, path):
    """Draw the true and the recovered conductivity, and their difference."""
    from matplotlib import pyplot as plt

    true, found = true_conductivity(), np.exp(log_kappa.reshape(N, N))
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.7), layout="constrained")
    extent = (0, 1, 0, 1)
    low, high = true.min(), true.max()
    for one, field, title in ((axes[0], true, "true κ"), (axes[1], found, "recovered κ")):
        image = one.imshow(
            field.T, origin="lower", extent=extent, vmin=low, vmax=high, cmap="viridis"
        )
        one.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes[:2], shrink=0.85)
    largest = np.abs(found - true).max()
    image = axes[2].imshow(
        (found - true).T, origin="lower", extent=extent, vmin=-largest, vmax=largest, cmap="RdBu_r"
    )
    axes[2].set_title("recovered − true", fontsize=10)
    figure.colorbar(image, ax=axes[2], shrink=0.85)
    for one in axes:
        one.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), xlabel="x")
    axes[0].set_ylabel("y")
    figure.savefig(path, dpi=200)
    plt.close(figure)


if __name__ == "__main__":
    draw(main()["log_kappa"], "02_heat_conductivity.png")
