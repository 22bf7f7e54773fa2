"""From a table of texts and a teacher to a student folder."""
