"""Opening PDFs that anybody may have sent: what is in them, and what their signatures are worth.

``inspector`` is the port ``Inspector``: it hands files to processes that can be ended (``nursery``) and
shares them out fairly (``turns``).  ``judge`` is what runs there, a plain function from bytes to
``Inspection``.  What it asks, in this order:

    structure    what the file holds besides paper (and besides: what policy says of it)
    signatures   each signature field: cms (its arithmetic), permissions (what it allows later)
    revisions    which revision of the file a signature saw, and whether its bytes are whole
    changes      what came after it: step by step, newcomers (new fields), reach (what leads where),
                 structure_tree (what is read aloud), overlaps (what later pictures cover)
    leftovers    bytes and objects that no table accounts for; dormant, canvas: what waits to be shown
    trust        whom to believe, revocation included
    conclusions  what is said in the end

This package imports none of the heavy libraries by itself; only the nursery's processes do.
"""
