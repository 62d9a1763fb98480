"""The verbs, in the order of a document's way; plain functions from facts to decisions."""

WORDS = ("receive", "validate", "sign", "route", "transform", "deliver", "receipt")
