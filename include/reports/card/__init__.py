"""The model card: purpose, data, performance, explanations, limits and decision of a version."""
