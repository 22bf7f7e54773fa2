"""What a teacher says about a corpus, written down once for any number of students."""
