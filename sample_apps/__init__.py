"""The sample apps that `kdc bundle` fills: files to copy, no code of ours."""
