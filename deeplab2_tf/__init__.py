"""Labelled pictures and semantic segmentation, compatible with DeepLab2 both ways.

Importing this package is cheap: TensorFlow is loaded by the modules that compute.
"""

import os

# TensorFlow prints factory registrations and oneDNN notes while it is imported; errors
# still arrive as Python exceptions. Set the variable yourself (to 0) to see everything.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
