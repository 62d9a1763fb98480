"""Judging in processes that can be ended: places and turns, the nursery, and how one talks to it."""
