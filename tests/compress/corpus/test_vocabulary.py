import json

import pytest

from kdc.compress.corpus.vocabulary import MARK, Vocabulary
from tests.compress.corpus.texts import MASK, SPECIAL_IDS
from tests.student import tiny_tokenizer


@pytest.mark.parametrize("holes", [0, 1, 3])
def test_the_mark_has_an_id_of_its_own(holes: int) -> None:
    """Bug: in a vocabulary with holes the mark gets the last token's, which is then deleted."""
    tokenizer = tiny_tokenizer()
    tokenizer.no_truncation()
    fields = json.loads(tokenizer.to_str())
    ids = fields["model"]["vocab"]
    last, unused = max(ids, key=ids.__getitem__), [name for name in ids if "unused" in name]
    for name in unused[:holes]:
        del ids[name]
    ids[last], ids["kitchen"] = ids["kitchen"], ids[last]  # the last id is a word's
    vocabulary = Vocabulary(json.dumps(fields), SPECIAL_IDS, MASK)
    assert vocabulary.mark not in ids.values()
    found = vocabulary.marking.encode(f"{MARK} the kitchen", add_special_tokens=False).ids
    assert found == [vocabulary.mark, ids["the"], ids["kitchen"]]
