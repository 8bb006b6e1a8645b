"""Bakeoff: blind side-by-side voting on generative models, and rankings with honest uncertainty."""

import os

__version__ = "0.1.0"

# Before anybody imports NumPy: its threads spin while they wait for each other, which takes the processors from those
# who vote, and makes a board of a million votes no faster (bench/results.py).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
