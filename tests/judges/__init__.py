"""Programs that share no code with ours judge what we seal: EU DSS, pdfsig, MuPDF, OpenSSL.

``make judge-dss`` asks all of them and writes ``docs/judged-by-dss.md``; ``make test`` asks all but EU DSS,
which comes from Maven.
"""
