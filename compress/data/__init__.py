"""From what `--data` names to texts and labels."""
