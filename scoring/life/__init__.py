"""The life of a model version in a deployment: drafted, simulated, reviewed, published by two people, rolled back."""
