"""What reading, checking and writing an envelope costs, and what a piece of evidence does: ``make bench-envelope``.

``documents`` makes what is read, ``contestants`` reads it (we, the bare limit, stock DOMs), ``proofs`` signs evidence,
``__main__`` measures and writes ``docs/benchmarks-envelope.md``.
"""
