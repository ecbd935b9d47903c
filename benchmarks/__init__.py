"""Measurements against the plain algorithm and Hugging Face: `make bench`, `make bench-gpu`."""
