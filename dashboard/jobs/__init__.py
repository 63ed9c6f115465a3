"""Jobs of the worker: verb and noun, given ids. All of them can run twice without harm."""
