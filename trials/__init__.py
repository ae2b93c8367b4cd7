"""What is done to the codec to see whether it breaks; not part of what is installed."""

import os

# As in `hific`, whichever of the two is imported first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
