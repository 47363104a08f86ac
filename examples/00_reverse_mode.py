"""Reverse mode by one worked example: a tape, its adjoints, and steps down the gradient.

The function is y = (x1 − x2)² + cos(x1 + x2).  A recorded call is a *tape*: one elementary
operation a line.  Going through it from the last line to the first, each line hands its adjoint
(the derivative of y with respect to it) on to its operands, by the chain rule.  What arrives at
x1 and x2 is the gradient, at about the cost of one more evaluation.
"""

import numpy as np

import revolve_ad as ra


def f(x1, x2):
    """Return y."""
    return (x1 - x2) ** 2 + np.cos(x1 + x2)


def descend(x1, x2, rate=0.1, n_steps=200):
    """Go down the gradient in steps of fixed length, and return all points."""
    points = [(x1, x2)]
    for _ in range(n_steps):
        d1, d2 = ra.grad(f, argnums=(0, 1))(x1, x2)
        x1, x2 = x1 - rate * d1, x2 - rate * d2
        points.append((x1, x2))
    return np.array(points)


def main():
    """Print the tape at (1, 2) and the way down; return the gradient and where the way ends."""
    tape = ra.record(f, 1.0, 2.0)
    print(tape)

    y, gradient = ra.value_and_grad(f, argnums=(0, 1))(1.0, 2.0)
    print(f"\ny = {y:.6f}, gradient = ({gradient[0]:.5f}, {gradient[1]:.5f})")

    points = descend(1.0, 2.0)
    print("\n  step        x1        x2         y")
    for k in (0, 1, 2, 5, 10, 20, 50, 100, 200):
        print(f"{k:6d}  {points[k, 0]:8.5f}  {points[k, 1]:8.5f}  {f(*points[k]):8.5f}")
    return {"y": y, "gradient": np.array(gradient), "end": points[-1], "lowest": f(*points[-1])}


def draw(points, path):
    """Draw the way down over the contours of y."""
    from matplotlib import pyplot as plt

    x1, x2 = np.meshgrid(np.linspace(0.5, 2.5, 200), np.linspace(0.5, 2.5, 200))
    figure, axes = plt.subplots(figsize=(4.5, 4), layout="constrained")
    contours = axes.contour(x1, x2, f(x1, x2), 15, cmap="viridis", linewidths=0.8)
    axes.clabel(contours, fontsize=6)
    axes.plot(*points.T, ".-", color="tab:red", linewidth=1, markersize=4)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", title="Gradient descent", aspect="equal")
    figure.savefig(path, dpi=200)


if __name__ == "__main__":
    main()
    draw(descend(1.0, 2.0), "00_reverse_mode.png")
