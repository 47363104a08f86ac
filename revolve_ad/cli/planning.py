"""`revolve-ad plan` forecasts what a gradient costs from a few numbers, without any code."""

import argparse
from dataclasses import replace
from typing import Any

from revolve_ad.errors import ParameterError
from revolve_ad.simulation.memory import budget_bytes, parse_bytes
from revolve_ad.simulation.plan import Sizes, make_plan

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "plan",
        help="forecast checkpoints, recomputation and time from a few numbers",
        description=(
            "Forecast the gradient of a run of STEPS steps: how many checkpoints fit into the "
            "memory, how often a step is executed, how long it takes. For a simulation in Python, "
            "sim.plan(state, params) measures these numbers itself."
        ),
    )
    parser.add_argument("--steps", type=int, required=True, help="number of steps")
    parser.add_argument(
        "--state", required=True, metavar="SIZE", help='bytes of one state, such as "2 MB"'
    )
    parser.add_argument(
        "--memory", metavar="SIZE", help="the budget (default: a quarter of what is free)"
    )
    parser.add_argument(
        "--tape", metavar="SIZE", help="bytes that one recorded step keeps (default: a state)"
    )
    parser.add_argument(
        "--other",
        metavar="SIZE",
        help="bytes of all else: working copies, observations, the gradient (default: 8 states)",
    )
    parser.add_argument(
        "--step-seconds", type=float, metavar="T", help="time of a step, for a forecast of time"
    )
    parser.add_argument(
        "--reverse-seconds",
        type=float,
        metavar="T",
        help="time of recording and reversing a step (default: 3 steps)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the plan."""
    if given.steps < 1:
        raise ParameterError(f"--steps is {given.steps}; give at least 1.")
    state = parse_bytes(given.state, "--state")
    if state == 0:
        raise ParameterError("--state is 0 bytes; give the size of a state, 1 byte or more.")
    tape = state if given.tape is None else parse_bytes(given.tape, "--tape")
    # What Simulation holds for a step in NumPy with a handful of operations; it measures its own.
    other = 8 * state if given.other is None else parse_bytes(given.other, "--other")
    sizes = Sizes(state=state, tape=tape, fixed={"other": other})
    wanted = other + given.steps * max(tape, state)
    plan = make_plan(given.steps, budget_bytes(given.memory, wanted), sizes, None)
    if given.step_seconds is not None:
        reverse = given.reverse_seconds
        plan = replace(
            plan,
            step_seconds=given.step_seconds,
            reverse_seconds=3 * given.step_seconds if reverse is None else reverse,
        )
    print(plan)
    return 0
