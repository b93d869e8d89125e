"""The service: an API for other systems and pages for workers, with its own database."""
