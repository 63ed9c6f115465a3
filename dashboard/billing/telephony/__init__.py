"""Texts and calls: asked for, made, received, followed to their end."""
