"""What advances, records and reverses stretches of steps, and what observes their states."""

__all__: list[str] = []
