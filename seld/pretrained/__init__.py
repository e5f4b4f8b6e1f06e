"""Weights that ship with the package, one safetensors file each, with a card beside it."""
