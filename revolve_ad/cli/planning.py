"""`revolve-ad plan` forecasts what a gradient costs from a few numbers, without any code."""

import argparse
from typing import Any, Final

from revolve_ad.errors import ParameterError, RevolveError
from revolve_ad.simulation.memory import parse_bytes
from revolve_ad.simulation.planning.forecast import plan

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "plan",
        help="forecast checkpoints, recomputation and time from a few numbers",
        description=(
            "Forecast the gradient of a run: how many checkpoints fit into the memory and on the "
            "disk, how often a step is executed, how long it takes. For a simulation in Python, "
            "sim.plan(state, params) measures these numbers itself. Sizes are numbers of bytes, or "
            'texts such as "2 MB" and "4 GiB".'
        ),
    )
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=_whole, metavar="N", help="number of steps")
    length.add_argument(
        "--max-steps", type=_whole, metavar="N", help="the most steps of a run that ends by itself"
    )
    parser.add_argument("--state", required=True, metavar="SIZE", help="bytes of one state")
    parser.add_argument(
        "--tape", metavar="SIZE", help="bytes that one recorded step keeps (default: a state)"
    )
    parser.add_argument(
        "--other",
        metavar="SIZE",
        help="bytes of all else: working copies, observations, the gradient (default: 8 states)",
    )
    parser.add_argument(
        "--memory", metavar="SIZE", help="the budget (default: a quarter of what is free)"
    )
    parser.add_argument(
        "--disk",
        nargs="+",
        metavar="SIZE",
        help="bytes for checkpoints on disk (default: any number), or for each of up to three "
        "storages, the fastest first, with as many times or bandwidths; any: any number",
    )
    for name, text in (
        ("--step-seconds", "time of a step, for a forecast of time"),
        ("--adjoint-seconds", "time of its adjoint, beside the step (default: 2 steps)"),
    ):
        parser.add_argument(name, type=_seconds, metavar="T", help=text)
    for name, text in (
        ("--write-seconds", "time of writing a checkpoint to disk; without it there is no disk"),
        ("--read-seconds", "time of reading it back (default: that of writing)"),
    ):
        parser.add_argument(name, type=_seconds, nargs="+", metavar="T", help=text)
    for verb in ("write", "read"):
        parser.add_argument(
            f"--{verb}-bandwidth",
            nargs="+",
            metavar="SIZE",
            help=f"bytes a second that the disk {verb}s, in place of --{verb}-seconds",
        )
    parser.set_defaults(run=run)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} counts steps; give a whole number") from None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; give seconds as a number, such as 0.2 or 1e-3"
        ) from None


_OPTIONS: Final = {
    "n_steps": "--steps",
    "max_steps": "--max-steps",
    "state_bytes": "--state",
    "tape_bytes": "--tape",
    "other_bytes": "--other",
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            "step_seconds",
            "adjoint_seconds",
            "write_seconds",
            "write_bandwidth",
            "read_seconds",
            "read_bandwidth",
        )
    },
    "storage=ra.storage.Disk(path)": "--write-seconds",
}


def run(given: argparse.Namespace) -> int:
    """Print the plan."""
    try:
        return _run(given)
    except RevolveError as error:
        message = str(error)
        for name, option in _OPTIONS.items():
            message = message.replace(f"{name}=", option).replace(name, option)
        if message.startswith(("memory is", "disk is", "disk has", "disk[")):
            message = f"--{message}"
        raise type(error)(message) from error


def _run(given: argparse.Namespace) -> int:
    state = parse_bytes(given.state, "--state")
    if state == 0:
        raise ParameterError("--state is 0 bytes; give the size of a state, 1 byte or more.")
    print(
        plan(
            given.steps,
            max_steps=given.max_steps,
            state_bytes=state,
            tape_bytes=given.tape,
            # What Simulation holds for a step in NumPy with a handful of operations.
            other_bytes=8 * state if given.other is None else given.other,
            memory=given.memory,
            disk=_rooms(given.disk),
            step_seconds=given.step_seconds,
            adjoint_seconds=given.adjoint_seconds,
            write_seconds=_one_or_all(given.write_seconds),
            read_seconds=_one_or_all(given.read_seconds),
            write_bandwidth=_one_or_all(given.write_bandwidth),
            read_bandwidth=_one_or_all(given.read_bandwidth),
        )
    )
    return 0


def _rooms(given: list[str] | None) -> Any:
    return _one_or_all(None if given is None else [None if v == "any" else v for v in given])


def _one_or_all(given: list[Any] | None) -> Any:
    """Return the value of one disk, or the values of several."""
    return given[0] if given is not None and len(given) == 1 else given
