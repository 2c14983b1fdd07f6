"""Perturbation: a *design* says which pictures to ask about, an *estimator* turns the answers into a map."""
