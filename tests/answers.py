"""Does an exported file answer as torch does, at any batch and length?"""

import numpy as np
import torch

from kdc.export.session import Session
from tests.student import tiny_model


def assert_answers_as_torch(session: Session, family: str) -> None:
    """Compare a file of `tiny_model(family, outputs=3)` with that model, padding included."""
    model = tiny_model(family, outputs=3)
    types = () if family in ("Roberta", "DistilBert") else ("token_type_ids",)
    assert session.inputs == ("input_ids", "attention_mask", *types)
    rng = np.random.default_rng(0)
    for rows, length in ((1, 1), (1, 5), (3, 11), (2, 24)):
        tokens = rng.integers(5, 100, (rows, length))
        mask = np.ones_like(tokens)
        mask[-1, length // 2 + 1 :] = 0
        tokens[mask == 0] = 0
        kinds = rng.integers(0, 2, (rows, length))
        feeds = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": kinds}
        taken = {name: torch.from_numpy(feeds[name]) for name in session.inputs}
        with torch.no_grad():
            wanted = model(**taken).logits.numpy()
        found = session.run_batch(tokens, mask, kinds)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)  # some logits are 200
