"""From loop nests to source text: bodies, loops over steps, the player of schedules."""

__all__: list[str] = []
