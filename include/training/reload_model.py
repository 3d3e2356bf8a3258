"""The fresh process of `include.training.reload`: `python -m include.training.reload_model <folder>`.

It loads a model file by digest and allowed types, predicts the rows in the folder, and writes the predictions there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from include.config.training import Training
from include.training.fit import predict
from include.training.model_file import load_model, trusted_of
from include.training.reload import PREDICTIONS, REQUEST, ROWS


def reload_model(folder: Path) -> None:
    """Load the model of the folder's request and write its predictions."""
    import numpy as np
    import pyarrow as pa

    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    training = Training.model_validate(request["training"])
    model = load_model(Path(request["path"]), request["sha256"], trusted_of(training))
    with pa.OSFile(str(folder / ROWS), "rb") as file:
        frame = pa.ipc.open_file(file).read_all().to_pandas()
    np.save(folder / PREDICTIONS, predict(model, frame, training, request["classes"]), allow_pickle=False)


if __name__ == "__main__":
    try:
        reload_model(Path(sys.argv[1]))
    except Exception as error:  # noqa: BLE001  the other process reads one line of any error
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
