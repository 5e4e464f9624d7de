"""Variational autoencoders and their parts: priors, likelihoods, perceptual losses."""
