"""How many documents the running gateway exchanges, what each costs, and how that holds: ``make bench``.

``figures`` has the goals, ``served`` brings a gateway up as ``vanthu serve`` does, ``load`` sends documents through it;
``whole``, ``fanout``, ``latency``, ``memory``, ``soak`` and ``growth`` each measure one part, ``__main__`` runs them and writes
``var/bench/exchange.json``, ``page`` and ``picture`` make of it what stands in ``docs``.
"""
