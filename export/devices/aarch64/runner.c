/* Runs text classifiers through ONNX Runtime on a device without Python:

       runner LIBONNXRUNTIME JOB

   One JSON object on standard output: {"models": [...]} in the job's order, or {"error": why}
   with exit code 3. What the modes answer is told in `job_file.py`. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

/* No process has this priority to ask for: an emulator's plugin sees the call and notes how many
   instructions had been run by then; anyone else answers with an error, which nobody reads. */
static void mark(long which) { syscall(SYS_getpriority, 0x4b4443, which); }

/* Return, in bytes, a line of a file of /proc/self that counts kB; -1 where there is none. */
static double proc_bytes(const char *path, const char *name) {
  FILE *file = fopen(path, "r");
  char line[256];
  double kilobytes = -1;
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, name, strlen(name))) kilobytes = atof(line + strlen(name));
  if (file) fclose(file);
  return kilobytes < 0 ? -1 : 1024 * kilobytes;
}

static double private_bytes(void) {
  double bytes = proc_bytes("/proc/self/smaps_rollup", "Anonymous:");
  return bytes < 0 ? proc_bytes("/proc/self/status", "RssAnon:") : bytes;
}

static void put_number(const char *name, double value, const char *format) {
  fprintf(reply, "\"%s\": ", name);
  fprintf(reply, value < 0 ? "null" : format, value);
  fputs(", ", reply);
}

static void put_samples(const char *name, const double *samples, int count) {
  fprintf(reply, "\"%s\": [", name);
  for (int i = 0; i < count; i++) fprintf(reply, "%s%.6f", i ? ", " : "", samples[i]);
  fputs("], ", reply);
}

static void put_version(void) { fprintf(reply, "\"onnxruntime\": \"%s\"}", runtime_version()); }

/* ---- answer and count: one model, in this process ---- */

static void answer_texts(const Job *job) {
  double load_ms;
  Open *open = open_model(&job->model[0], job->threads, &load_ms);
  char *logits;
  size_t bytes;
  FILE *kept = open_memstream(&logits, &bytes); /* an error must not come after half an answer */
  for (int i = 0; i < job->texts; i++) {
    size_t classes;
    const float *row = run_model(open, &job->text[i], &classes);
    fputs(i ? ", [" : "[", kept);
    for (size_t c = 0; c < classes; c++) {
      fputs(c ? ", " : "", kept);
      fprintf(kept, isfinite(row[c]) ? "%.9g" : "null", row[c]);
    }
    fputs("]", kept);
  }
  fclose(kept);
  fprintf(reply, "{\"models\": [{\"logits\": [%s], ", logits);
  put_version();
  fputs("]}\n", reply);
}

static void count_texts(const Job *job) {
  double load_ms;
  size_t classes;
  Open *open = open_model(&job->model[0], job->threads, &load_ms);
  for (int i = 0; i < job->texts; i++) {
    run_model(open, &job->text[i], &classes); /* memory for this length comes with its first run */
    mark(2 * i);
    run_model(open, &job->text[i], &classes);
    mark(2 * i + 1);
  }
  fprintf(reply, "{\"models\": [{\"counted\": %d, ", job->texts);
  put_version();
  fputs("]}\n", reply);
}

/* ---- measure: every model in a process of its own, run by run in turns ---- */

/* Runs, or one of each text, after which memory grows by the samples alone. */
enum { SETTLED = 100 };

typedef struct {
  double bytes, peak;
} Memory;

static Memory memory(void) {
  return (Memory){private_bytes(), proc_bytes("/proc/self/status", "VmHWM:")};
}

typedef struct {
  pid_t process;
  FILE *orders, *replies;
} Worker;

/* Be a worker: `r TEXT` runs a text, `m TEXT` runs and measures it, `q 0` tells the samples and
   ends. Every order is answered by a line. */
static void work(const char *library, const Job *job, const Model *model, FILE *orders) {
  load_runtime(library);
  double before = private_bytes(), load_ms;
  double *wall = room(job->runs, sizeof *wall), *cpu = room(job->runs, sizeof *cpu);
  int count = 0, settled = job->texts > SETTLED ? job->texts : SETTLED, text;
  Memory grown = {-1, -1};
  size_t classes;
  char order;
  Open *open = open_model(model, job->threads, &load_ms);
  double first_from = clock_ms(CLOCK_MONOTONIC);
  run_model(open, &job->text[0], &classes);
  double first_ms = clock_ms(CLOCK_MONOTONIC) - first_from;
  fputs("ready\n", reply);
  fflush(reply);
  int which = job->threads > 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID;
  while (fscanf(orders, " %c %d", &order, &text) == 2 && order != 'q') {
    double wall_from = clock_ms(CLOCK_MONOTONIC), cpu_from = clock_ms(which);
    run_model(open, &job->text[text % job->texts], &classes);
    double cpu_to = clock_ms(which), wall_to = clock_ms(CLOCK_MONOTONIC);
    if (order == 'm' && count < job->runs) {
      wall[count] = wall_to - wall_from;
      cpu[count++] = cpu_to - cpu_from;
      /* the samples of a run of minutes are many MB, and not the model's */
      if (count == settled) grown = memory();
    }
    fputs("done\n", reply);
    fflush(reply);
  }
  if (count < settled) grown = memory();
  fputs("{", reply);
  put_number("load_ms", load_ms, "%.6f");
  put_number("first_ms", first_ms, "%.6f");
  put_samples("wall_ms", wall, count);
  put_samples("cpu_ms", cpu, count);
  put_number("peak_rss_bytes", grown.peak, "%.0f");
  put_number("private_bytes", grown.bytes < 0 ? -1 : fmax(0, grown.bytes - before), "%.0f");
  put_version();
  fputs("\n", reply);
  fflush(reply);
  _exit(0);
}

static char *heard(Worker *worker, int index) {
  char *line = NULL;
  size_t places = 0;
  int status = 0;
  if (getline(&line, &places, worker->replies) > 0) {
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "{\"error\"", 8)) return line;
    fprintf(reply, "{\"model\": %d, %s\n", index, line + 1);
    fflush(reply);
    _exit(3);
  }
  waitpid(worker->process, &status, 0);
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  fprintf(reply, "{\"model\": %d, \"signal\": %d, \"error\": \"its process ended (%s)\"}\n", index,
          number, number ? strsignal(number) : "it said nothing");
  fflush(reply);
  _exit(3);
}

static void start(Worker *worker, const char *library, const Job *job, int index) {
  int orders[2], replies[2];
  if (pipe(orders) || pipe(replies)) fail("no pipe can be opened: %s", strerror(errno));
  fflush(reply);
  worker->process = fork();
  if (worker->process < 0) fail("no process can be started: %s", strerror(errno));
  if (!worker->process) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a stopped runner leaves nothing behind */
    close(orders[1]);
    close(replies[0]);
    reply = fdopen(replies[1], "w");
    work(library, job, &job->model[index], fdopen(orders[0], "r"));
  }
  close(orders[0]);
  close(replies[1]);
  worker->orders = fdopen(orders[1], "w");
  worker->replies = fdopen(replies[0], "r");
  free(heard(worker, index)); /* one after the other: opening must not disturb opening */
}

static char *tell(Worker *worker, int index, char order, int text) {
  fprintf(worker->orders, "%c %d\n", order, text);
  fflush(worker->orders);
  return heard(worker, index);
}

/* Give every model one turn, in an order that is drawn anew. */
static void round_of(Worker *workers, const Job *job, int text, int measured) {
  int order[MOST_MODELS];
  for (int i = 0; i < job->models; i++) {
    int other = rand() % (i + 1);
    order[i] = order[other];
    order[other] = i;
  }
  for (int i = 0; i < job->models; i++) {
    Worker *worker = &workers[order[i]];
    /* what the other models drove out of the caches comes back in runs that are not timed */
    for (int k = 0; measured && k < job->settle; k++) free(tell(worker, order[i], 'r', text));
    free(tell(worker, order[i], measured ? 'm' : 'r', text));
  }
}

static void measure_models(const char *library, const Job *job) {
  Worker workers[MOST_MODELS];
  char *told[MOST_MODELS];
  signal(SIGPIPE, SIG_IGN); /* who has died is told by what is read */
  srand(1);
  for (int i = 0; i < job->models; i++) start(&workers[i], library, job, i);
  double end = clock_ms(CLOCK_MONOTONIC) + 1e3 * job->warm_seconds;
  for (int k = 0; k < job->warmup && clock_ms(CLOCK_MONOTONIC) < end; k++)
    round_of(workers, job, k, 0);
  end = clock_ms(CLOCK_MONOTONIC) + 1e3 * job->seconds;
  for (int k = 0; !k || (k < job->runs && clock_ms(CLOCK_MONOTONIC) < end); k++)
    round_of(workers, job, k, 1);
  for (int i = 0; i < job->models; i++) {
    told[i] = tell(&workers[i], i, 'q', 0);
    waitpid(workers[i].process, NULL, 0);
  }
  for (int i = 0; i < job->models; i++)
    fprintf(reply, "%s%s", i ? ", " : "{\"models\": [", told[i]);
  fputs("]}\n", reply);
}

int main(int count, char **words) {
  static Job job;
  reply = stdout;
  if (count != 3) fail("usage: runner LIBONNXRUNTIME JOB");
  read_job(words[2], &job);
  if (job.limit >= 1) alarm((unsigned)job.limit); /* ends a hanging run, also where nobody waits */
  if (!strcmp(job.mode, "measure")) {
    measure_models(words[1], &job);
  } else if (job.models == 1 && (!strcmp(job.mode, "answer") || !strcmp(job.mode, "count"))) {
    load_runtime(words[1]);
    (*job.mode == 'a' ? answer_texts : count_texts)(&job);
  } else {
    fail("the job's mode '%s' is none for %d models", job.mode, job.models);
  }
  fflush(stdout);
  _exit(0); /* ONNX Runtime's destructors have nothing to save */
}
