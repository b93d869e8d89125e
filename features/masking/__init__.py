"""Personal data in free text: found and replaced before a text is shown outside the household's page."""
