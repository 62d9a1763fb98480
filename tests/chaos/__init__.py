"""Chaos: the gateway as it is run, thousands of documents, faults drawn by a seed, and an auditor at the end.

`story.py` is what happens; `faults.py` what may strike; `agencies.py` the clients; `seen.py` what they saw;
`store.py` reads the rows by SQL of its own; `auditor.py` holds the two against each other.
"""
