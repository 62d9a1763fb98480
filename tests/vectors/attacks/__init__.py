"""Attacks on signed PDFs, and the legitimate files that look like them, each made by a few lines of our own.

One file for each class in the literature: ``forgery`` (universal signature forgery), ``wrapping``,
``incremental`` (saving attacks), ``shadow`` (prepared before signing), ``annotations`` and ``certification``,
``disguises`` (one object that is two things), ``messages`` (odd CMS);
``legit`` is what must not be taken for any of them.  ``revisions`` and ``papers`` are the tools.
"""
