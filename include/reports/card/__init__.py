"""The model card: what a version is for, what it was made from, how good it is, what it goes by and where it ends."""
