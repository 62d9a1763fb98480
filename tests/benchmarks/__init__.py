"""Tests of the benchmarks: that they run and say what they promise.  No speed is asserted anywhere."""
