"""Texts and people: the review sheet of texts that no model should guess, files with labelled texts."""
