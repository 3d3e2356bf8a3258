"""The families of models that compete: what each searches, and how each is built."""

from include.training.candidates.candidate import Candidate, Params
from include.training.candidates.encoding import encoder
from include.training.candidates.family import Family
from include.training.candidates.registry import FAMILIES, candidates_of, family_of

__all__ = ["FAMILIES", "Candidate", "Family", "Params", "candidates_of", "encoder", "family_of"]
