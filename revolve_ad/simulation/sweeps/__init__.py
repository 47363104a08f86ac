"""How a schedule is played: the forward sweep, the reverse sweep, and what happens on the way."""

__all__: list[str] = []
