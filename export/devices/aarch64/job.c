#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *reply;

void fail(const char *format, ...) {
  char sentence[2048];
  va_list values;
  va_start(values, format);
  vsnprintf(sentence, sizeof sentence, format, values);
  va_end(values);
  fputs("{\"error\": \"", reply);
  for (const unsigned char *c = (const unsigned char *)sentence; *c; c++) {
    if (*c == '"' || *c == '\\') fputc('\\', reply);
    fputc(*c < ' ' ? ' ' : *c, reply);
  }
  fputs("\"}\n", reply);
  fflush(reply);
  _exit(3); /* the runtime's own threads and destructors have nothing left to do */
}

void *room(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) fail("there is no memory for %zu times %zu bytes", count, size);
  return memory;
}

/* Read a whole number in [low, high] and move on behind it. */
static int64_t number(char **at, int64_t low, int64_t high, int line) {
  char *end;
  errno = 0;
  long long value = strtoll(*at, &end, 10);
  if (end == *at || errno || value < low || value > high)
    fail("line %d of the job holds no number from %lld to %lld", line, (long long)low,
         (long long)high);
  *at = end;
  return value;
}

static double positive(const char *text, int line) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || !(value >= 0 && value < 1e9))
    fail("line %d of the job holds no number of seconds", line);
  return value;
}

static char *copied(const char *text) {
  char *copy = room(strlen(text) + 1, 1);
  return strcpy(copy, text);
}

static Model *last_model(Job *job, int line) {
  if (!job->models) fail("line %d of the job names no model first", line);
  return &job->model[job->models - 1];
}

static void add_model(Job *job, const char *path, int line) {
  if (job->models == MOST_MODELS) fail("line %d of the job is one model too many", line);
  job->model[job->models++] =
      (Model){.path = copied(path), .level = 99, .arena = 1, .pattern = 1};
}

static void add_entry(Model *model, char *rest, int line) {
  char *value = strchr(rest, ' ');
  if (!value || model->entries == MOST_ENTRIES) fail("line %d of the job is no entry", line);
  *value++ = 0;
  model->keys[model->entries] = copied(rest);
  model->values[model->entries++] = copied(value);
}

/* `LENGTH ID... TYPE...` */
static void add_text(Job *job, char *rest, int line) {
  if (!(job->texts & (job->texts - 1))) { /* grows at every power of two */
    size_t places = job->texts ? 2 * (size_t)job->texts : 1;
    job->text = realloc(job->text, places * sizeof(Text));
    if (!job->text) fail("there is no memory for %zu texts", places);
  }
  Text *text = &job->text[job->texts++];
  text->length = number(&rest, 1, MOST_TOKENS, line);
  text->ids = room(text->length, sizeof(int64_t));
  text->types = room(text->length, sizeof(int64_t));
  for (int64_t i = 0; i < text->length; i++)
    text->ids[i] = number(&rest, INT64_MIN, INT64_MAX, line);
  for (int64_t i = 0; i < text->length; i++)
    text->types[i] = number(&rest, INT64_MIN, INT64_MAX, line);
}

static void read_line(Job *job, const char *word, char *rest, int line) {
  if (!strcmp(word, "mode") && strlen(rest) < sizeof job->mode) strcpy(job->mode, rest);
  else if (!strcmp(word, "threads")) job->threads = number(&rest, 1, 1024, line);
  else if (!strcmp(word, "runs")) job->runs = number(&rest, 1, 10000000, line);
  else if (!strcmp(word, "warmup")) job->warmup = number(&rest, 0, 10000000, line);
  else if (!strcmp(word, "settle")) job->settle = number(&rest, 0, 10000000, line);
  else if (!strcmp(word, "seconds")) job->seconds = positive(rest, line);
  else if (!strcmp(word, "warm_seconds")) job->warm_seconds = positive(rest, line);
  else if (!strcmp(word, "limit")) job->limit = positive(rest, line);
  else if (!strcmp(word, "model")) add_model(job, rest, line);
  else if (!strcmp(word, "level")) last_model(job, line)->level = number(&rest, 0, 99, line);
  else if (!strcmp(word, "arena")) last_model(job, line)->arena = number(&rest, 0, 1, line);
  else if (!strcmp(word, "pattern")) last_model(job, line)->pattern = number(&rest, 0, 1, line);
  else if (!strcmp(word, "entry")) add_entry(last_model(job, line), rest, line);
  else if (!strcmp(word, "text")) add_text(job, rest, line);
  else fail("line %d of the job begins with '%.40s', which this runner does not know", line, word);
}

void read_job(const char *path, Job *job) {
  *job = (Job){.threads = 1, .runs = 1};
  FILE *file = fopen(path, "r");
  if (!file) fail("the job %s cannot be read: %s", path, strerror(errno));
  char *text = NULL;
  size_t places = 0;
  int end = 0;
  for (int line = 1; getline(&text, &places, file) > 0; line++) {
    text[strcspn(text, "\n")] = 0;
    if (line == 1 && strcmp(text, "kdc-job 1")) fail("%s is no job of this runner", path);
    end |= !strcmp(text, "end");
    if (line == 1 || end) continue;
    char *rest = strchr(text, ' ');
    if (!rest) fail("line %d of the job is cut short", line);
    *rest++ = 0;
    read_line(job, text, rest, line);
  }
  free(text);
  fclose(file);
  if (!end || !job->models || !job->texts) fail("the job %s is incomplete", path);
}
