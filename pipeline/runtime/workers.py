"""What a worker process imports before it takes any work.

A fresh worker opens several bundles at once, each in a thread of its own, and these
would import TF Transform from both ends of its import cycle: one of them then finds a
module that is half there. Beam imports its plugins before all that, in one thread;
`runners` makes this module one.
"""

import os

from maskbeam.pipeline.runtime.quiet import quiet

# Engines start a process for each core, and Beam has threads of its own in it. This is
# read when TensorFlow is imported.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

with quiet():
    import tensorflow_transform.beam  # noqa: F401 - the package alone leaves it out
