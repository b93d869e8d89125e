"""Everything a person or another system touches: commands, lists, pages."""
