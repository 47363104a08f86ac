"""The checkpointed time loop: the one place where tape, schedule and storage meet.

A `Simulation` is one differentiable operation.  Forward it plays a schedule until the final state
is live; when cotangents come, it plays the rest.  The schedule knows no arrays, the storage no
schedule, the tape no time.
"""

from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.report import Report
from revolve_ad.simulation.run import Run
from revolve_ad.simulation.simulation import Simulation
from revolve_ad.simulation.steps.user_step import Step, step

__all__ = ["Plan", "Report", "Run", "Simulation", "Step", "step"]
