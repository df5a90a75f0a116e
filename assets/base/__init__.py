"""To be opened by its first module."""
