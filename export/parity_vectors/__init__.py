"""The proof that tokenizers agree: Unicode as the Rust one sees it, hostile texts, expected ids."""
