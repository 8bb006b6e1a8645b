"""Bakeoff: blind side-by-side voting on generative models, and rankings with honest uncertainty."""

__version__ = "0.1.0"
