"""General distillation: students of no task, from a corpus and a teacher or its written labels."""
