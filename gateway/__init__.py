"""The core of the gateway: what a document is, what may happen to it, and in what order.

Read ``gateway.pipeline`` first: it follows one document through seven words.
"""
