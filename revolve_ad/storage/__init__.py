"""Where checkpoints live: save, restore and discard lists of arrays under a key.

A storage knows nothing of steps, schedules or derivatives; `Storage` is the protocol, `Ram` keeps
copies in memory that it reuses, `Disk` writes one checked file a checkpoint.  The rules that all
of them keep:

- `save` copies: what happens to the arrays afterwards doesn't touch the checkpoint.
- `restore` copies too: a write into what it returned doesn't reach the checkpoint.
- Shape, dtype (byte order included) and bits come back as they were; the memory comes back
  C-contiguous, whatever layout was saved.
- A key is an int or a tuple of ints, so that several runs can share a storage; `save` under a key
  that is held replaces that checkpoint.
- Arrays hold booleans, integers, floats or complex numbers, never Python objects.

>>> import numpy as np
>>> storage = Ram()
>>> state = [np.array([1.0, 2.0])]
>>> storage.save(0, state)
>>> state[0] += 10.0
>>> storage.restore(0)
[array([1., 2.])]
>>> storage.discard(0)
"""

from revolve_ad.storage.disk import Disk
from revolve_ad.storage.protocol import Key, Storage
from revolve_ad.storage.ram import Ram

__all__ = ["Disk", "Key", "Ram", "Storage"]
