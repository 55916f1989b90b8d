"""What a worker process imports before it takes any work.

A fresh worker opens several bundles at once, each in a thread of its own, and these
would import TF Transform from both ends of its import cycle: one of them then finds a
module that is half there. Beam imports its plugins before all that, in one thread;
`runners` makes this module one.
"""

from pipeline.quiet import quiet

with quiet():
    import tensorflow_transform  # noqa: F401
