"""Requests in words: which need a text is about, whose it is, and when nobody should guess."""
