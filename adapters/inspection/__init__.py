"""Opening PDFs that anybody may have sent: what is in them, and what their signatures are worth.

``inspector`` is the port ``Inspector``: it hands files to processes that can be ended (``nursery``) and
shares them out fairly (``turns``).  ``judge`` is what runs there, a plain function from bytes to
``Inspection``; it asks ``structure`` (what the file holds), ``signatures`` (each signature), ``cms`` (its
arithmetic), ``permissions`` (what it allows), ``revisions`` (what it saw), ``changes`` and ``step`` (what came
after it), ``overlaps`` (what later pictures cover), ``leftovers`` (what nothing accounts for), ``trust`` (whom to
believe) and ``conclusions`` (what is said in the end).

This package imports none of the heavy libraries by itself; only the nursery's processes do.
"""
