import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from kdc.compress import kept_tokens
from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.kept_tokens import Wanted, choose_tokens, common_words, parse_vocab
from kdc.compress.wordpiece import WordPiece
from tests.student import SPECIAL, WORDS, tiny_tokenizer, token_of

ROWS = 128


def counted(**counts: int) -> Array:
    """Count words of the tiny tokenizer."""
    found = np.zeros(ROWS, dtype=np.int64)
    for word, count in counts.items():
        found[tiny_tokenizer().token_to_id(word)] = count
    return found


def chosen(counts: Array, wanted: Wanted) -> list[str]:
    tokenizer = tiny_tokenizer()
    kept = choose_tokens(tokenizer, counts, wanted)
    assert kept.tolist() == sorted(set(kept.tolist()))
    return [token_of(tokenizer, int(index)) for index in kept]


def basic() -> set[str]:
    return {t for t in tiny_tokenizer().get_vocab() if t in SPECIAL or len(t.strip("#")) == 1}


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_tokens, "common_words", lambda: ("music", "kitchen", "wake", "qz"))


@pytest.mark.parametrize("text", ["keep", "task", "1", "8192", "30522", "1000000000"])
def test_what_a_user_may_ask_for(text: str) -> None:
    assert str(parse_vocab(text)) == text


@pytest.mark.parametrize("text", ["", "all", "0", "-5", "8k", "1e4", "8192.0", "٣", "9" * 30, " 7"])
def test_anything_else_is_one_sentence(text: str) -> None:
    with pytest.raises(KdcError, match="--vocab is keep, task or a number of tokens such as 8192"):
        parse_vocab(text)


def test_a_number_in_another_form_is_told_how_numbers_are_given() -> None:
    """Bug: "a number of tokens such as 8192, not '1e9'", which is a number to who typed it."""
    with pytest.raises(KdcError, match="in up to 18 digits alone, not '1e9'"):
        parse_vocab("1e9")


@pytest.mark.usefixtures("few_words")
class TestTask:
    def test_special_tokens_and_characters_then_training_then_common_words(self) -> None:
        """Bug: a text of characters that training has not seen becomes [UNK]."""
        found = set(chosen(counted(stop=3, ten=1), "task"))
        assert found == basic() | {"stop", "ten", "music", "kitchen", "wake"}

    def test_common_words_fill_up_to_the_mark_in_their_order(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kept_tokens, "TASK_ROWS", len(basic()) + 4)
        found = set(chosen(counted(stop=3, ten=1), "task"))
        assert found == basic() | {"stop", "ten", "music", "kitchen"}

    def test_the_training_text_is_kept_whole_beyond_the_mark(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: the student meets its own training text in pieces it has never seen."""
        monkeypatch.setattr(kept_tokens, "TASK_ROWS", 3)
        assert set(chosen(counted(stop=3, ten=1), "task")) == basic() | {"stop", "ten"}

    def test_an_unused_token_goes_unless_it_occurs(self) -> None:
        counts = counted(stop=3)
        place = tiny_tokenizer().token_to_id("[unused3]")
        counts[place] = 1
        unused = [token for token in chosen(counts, "task") if "unused" in token]
        assert unused == ["[unused3]"]

    def test_a_cased_vocabulary_keeps_both_forms_of_a_common_word(self) -> None:
        """Bug: a sentence's first word is always cut to pieces."""
        tokens = ["[UNK]", "music", "Music", "MUSIC", "Kit", "##chen", "wake"]
        cased = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
        cased.normalizer = normalizers.BertNormalizer(lowercase=False)
        cased.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        kept = choose_tokens(cased, np.zeros(7, np.int64), "task")
        assert [tokens[index] for index in kept] == [t for t in tokens if t != "MUSIC"]


@pytest.mark.usefixtures("few_words")
class TestNumber:
    def test_exactly_so_many_by_count_then_by_id_then_common_words(self) -> None:
        counts, least = counted(stop=3, ten=1, loud=1, at=1), len(basic())
        order = ["stop", "at", "ten", "loud", "music", "kitchen", "wake"]
        assert [token for token in WORDS if token in ("at", "ten", "loud")] == order[1:4]
        for more in range(len(order) + 1):
            found = chosen(counts, least + more)
            assert set(found) == basic() | set(order[:more])
            assert len(found) == least + more

    def test_words_that_nothing_speaks_for_come_last_the_unused_after_them(self) -> None:
        """Bug: --vocab 120 keeps [unused12] and drops a word."""
        words = sum(1 for token in tiny_tokenizer().get_vocab() if "unused" not in token)
        found = chosen(counted(), words + 2)
        assert sum("unused" in token for token in found) == 2
        assert len(chosen(counted(), ROWS)) == ROWS

    def test_too_few_are_refused_and_the_least_is_told(self) -> None:
        least = len(basic())
        with pytest.raises(KdcError, match=f"--vocab {least - 1} is too small.* alone are {least}"):
            chosen(counted(), least - 1)

    def test_more_than_there_are_is_refused(self) -> None:
        with pytest.raises(KdcError, match="--vocab 129 is more than the 128 tokens"):
            chosen(counted(), 129)


def test_numbers_that_training_did_not_see_are_kept() -> None:
    """Bug: an alarm at 35 past is one token or two, by what the training rows happened to say."""
    tokens = ["[UNK]", "35", "20th", "22nd", "1987", "3", "##5", "100", "zzyzx"]
    plain = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    kept = choose_tokens(plain, np.zeros(len(tokens), np.int64), "task")
    assert [t for i, t in enumerate(tokens) if i not in kept] == ["1987", "zzyzx"]


def test_keep_is_every_token() -> None:
    assert len(chosen(counted(), "keep")) == ROWS


def test_tokens_without_a_row_of_the_model_are_not_kept() -> None:
    """Bug: a token added to the tokenizer alone looks up a row that is not there."""
    counts = np.ones(100, np.int64)
    assert choose_tokens(tiny_tokenizer(), counts, "task").max() == 99


def test_ids_that_the_configuration_calls_special_are_kept() -> None:
    place = tiny_tokenizer().token_to_id("[unused3]")
    assert place is not None
    assert place not in choose_tokens(tiny_tokenizer(), counted(), "task")
    assert place in choose_tokens(tiny_tokenizer(), counted(), "task", [place])


def test_the_common_words_are_common_english_words_once_each() -> None:
    words = common_words()
    assert len(words) == len(set(words)) == 10_000
    assert {"the", "of", "and", "to"} <= set(words[:6])
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    everyday = ["play", "music", "alarm", "weather", "tomorrow", "please", "movie", "terrible"]
    assert set(everyday) <= set(words)


def test_basic_tokens_are_what_any_text_can_be_written_with() -> None:
    tokenizer = tiny_tokenizer()
    names = {tokenizer.id_to_token(index) for index in WordPiece(tokenizer).basic()}
    assert names == basic()
