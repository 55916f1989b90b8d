"""What a worker process imports before it takes any work.

A fresh worker opens several bundles at once, each in its own thread, and most need
TensorFlow. Beam imports its plugins before that, in one thread; `runners` makes this
module a plugin.
"""

import os

from maskbeam.pipeline.runtime import streams
from maskbeam.pipeline.runtime.loading import loading

# Engines start a process for each core, and Beam has its own threads in it. TensorFlow
# reads this when it is imported.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

streams.protect_errors()
with loading():
    import tensorflow  # noqa: F401

    from maskbeam.pipeline.runtime import runners

if runners.HUSHED in os.environ:
    runners.hush()
