"""HiFiC and the plumbing every codec of this project stands on.

Importing this package is cheap: TensorFlow is loaded by the modules that compute, so
that reading a compressed file's header needs none of it.
"""

import os

# TensorFlow prints factory registrations and oneDNN notes while it is imported, before
# any of its own logging settings can be reached from Python. Errors still arrive as
# Python exceptions. Set the variable yourself (to 0) to see everything.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
