"""The families of models that compete: what each searches, and how each is built."""

from include.training.candidates.candidate import Candidate, Params
from include.training.candidates.encoding import encoder
from include.training.candidates.registry import candidates_of

__all__ = ["Candidate", "Params", "candidates_of", "encoder"]
