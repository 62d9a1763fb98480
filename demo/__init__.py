"""A day at a provincial data centre, played against the real system by clients that know only its contract.

    python -m demo

``day`` and ``hostile`` say what happens, ``office`` and ``commune`` are the clients, ``books`` keeps account,
``judges`` and ``report`` say how it went.  Nothing of the gateway is imported here.
"""
