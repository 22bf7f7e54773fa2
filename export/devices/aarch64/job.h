/* What the runner is asked, read from a text file; `job_file.py` writes it and has the grammar. */
#ifndef KDC_JOB_H
#define KDC_JOB_H

#include <stdint.h>
#include <stdio.h>

enum { MOST_MODELS = 16, MOST_ENTRIES = 16, MOST_TOKENS = 65536 };

typedef struct {
  char *path;
  int level;   /* of graph optimization, as ONNX Runtime numbers them */
  int arena;   /* 0: give freed memory back at once */
  int pattern; /* 0: plan no block for all of a run's tensors */
  int entries; /* of the session's configuration */
  char *keys[MOST_ENTRIES], *values[MOST_ENTRIES];
} Model;

typedef struct {
  int64_t length;
  int64_t *ids, *types; /* (length) each */
} Text;

typedef struct {
  char mode[16]; /* answer, measure or count */
  int threads, runs, warmup, settle;
  double seconds, warm_seconds, limit;
  int models, texts;
  Model model[MOST_MODELS];
  Text *text;
} Job;

/* Where the answer goes: standard output, or the pipe to the process that asked. */
extern FILE *reply;

/* Answer {"error": a sentence} and end the process with exit code 3. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Return memory that is set to zero, or fail. */
void *room(size_t count, size_t size);

/* Read a job, or fail. */
void read_job(const char *path, Job *job);

#endif
