"""One document with all its evidence in one file: ASiC-E with XAdES (ETSI EN 319 162-1).

``packing`` writes it, ``checking`` judges it with nothing but root certificates, ``story`` says what happened.
``archive`` is the ZIP below: written in one form, and read in that form alone.
"""
