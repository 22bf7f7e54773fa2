"""From raw text to shards of tokens that masked-LM training reads."""
