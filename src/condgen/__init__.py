"""Conditional generation: train on labelled data, ask for attributes, measure that they were obeyed."""
