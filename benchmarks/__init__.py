"""Measures the gateway as it runs: ``make bench``.  Absolute figures are this machine's; ratios travel."""
