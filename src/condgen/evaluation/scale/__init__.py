"""Evaluation of any number of samples in bounded memory: counts and moments of parts, which are added up."""
