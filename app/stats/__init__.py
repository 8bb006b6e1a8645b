"""Pure functions over numpy arrays: counts, covariance, intervals, tests."""
