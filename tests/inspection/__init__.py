"""Tests of the PDF inspector and its judge."""
