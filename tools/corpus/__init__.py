"""Judges a folder of PDFs that others made, as its manifest demands.

    python -m tools.corpus FOLDER          (make corpus CORPUS=FOLDER)

``manifest`` reads what is demanded, ``lanes`` judges in the gateway's own killable processes, ``seals``
seals by ``vanthu sign``'s own code in a process that can be ended, ``independent`` asks programs that share
no code with us, ``run`` holds outcome against demand, ``table`` says it to people.
"""
