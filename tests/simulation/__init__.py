"""Deterministic simulation: the real pipeline on the twins, in virtual time, with everything that can go wrong."""
