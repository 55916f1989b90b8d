"""What a worker process imports before it takes any work.

A fresh worker opens several bundles at once, each in its own thread. Two threads would
import TF Transform from both ends of its import cycle, and one of them would find a
half-imported module. Beam imports its plugins before that, in one thread; `runners`
makes this module a plugin.
"""

import os

from maskbeam.pipeline.runtime.quiet import quiet

# Engines start a process for each core, and Beam has its own threads in it. TensorFlow
# reads this when it is imported.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

with quiet():
    import tensorflow_transform.beam  # noqa: F401 - the package alone leaves it out
