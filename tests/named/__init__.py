"""Fifteen bugs that gateways like ours had: each is a test whose name begins with its number.

``index.py`` names the tests elsewhere that show a part on a real broker, store or key, and what is left for later.
"""
