"""Independent predictors of the attributes, trained on real data only."""
