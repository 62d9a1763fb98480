"""How fast we seal and judge, side by side with others: ``make bench-sign``.

One run, interleaved rounds (A B C, A B C, …) so that a machine that slows down slows everybody, medians.
"""
