"""The families of every installation, one module each. A module of this folder is a family; nothing else lists them."""
