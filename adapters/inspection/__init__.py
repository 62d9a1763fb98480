"""Opening PDFs that anybody may have sent: what is in them, and what their signatures are worth.

``processes`` has the port ``Inspector``: it hands files to processes that can be ended, and shares them out
fairly.  ``judge`` is what runs there, a plain function from bytes to ``Inspection``.  What it asks, in this order:

    paper        structure (what the file holds), besides (what policy says of it), dormant and canvas (what
                 waits to be shown)
    signatures   each signature field on its own, by way of cms (its arithmetic)
    history      revisions (what a signature saw), changes (what came after it: step by step, newcomers, reach,
                 structure_tree), permissions (what it allows), overlaps (what later pictures cover),
                 leftovers (what no table accounts for)
    authority    trust (whom to believe: paths, revocation), existence (what time-stamps prove)
    conclusions  what is said in the end

This package imports none of the heavy libraries by itself; only the processes do.
"""
