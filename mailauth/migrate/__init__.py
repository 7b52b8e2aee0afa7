"""Migrate stored hashes: plan, apply, undo, and rehash when users log in."""
