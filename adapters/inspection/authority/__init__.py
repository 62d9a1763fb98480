"""Whom to believe: roots, chains, revocation, and the proofs of existence that time-stamps give."""
