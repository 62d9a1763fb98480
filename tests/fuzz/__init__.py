"""Hostile bytes for the readers of PDF, CMS, certificates, edXML and its JSON: ``make fuzz``.

``__main__`` is the command line; ``overseer`` starts one ``worker`` per target and watches it; ``engine``
is its loop (mutate, run, keep what reaches something new); ``probes`` tell what was reached; ``targets``
say what must hold whatever the bytes; ``forge`` makes seeds with keys that are the same in every run, so
that a saved input can be replayed; ``plants`` are faults that the harness must find.
"""
