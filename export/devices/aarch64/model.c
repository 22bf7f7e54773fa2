#define _GNU_SOURCE
#include "model.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ort.h"

static const char *const INPUTS[3] = {"input_ids", "attention_mask", "token_type_ids"};
static const char *const OUTPUT = "logits";

struct Open {
  Session *session;
  int count;            /* of its inputs */
  int source[3];        /* which of INPUTS each of them is */
  const char *names[3]; /* and what it is called */
  int64_t fixed;        /* tokens of every text, for a model of one length; else 0 */
  int64_t padding;      /* the token that fills a text up to them */
  int64_t *filled[3];   /* (fixed or MOST_TOKENS) each */
  float *logits;
  size_t places; /* of `logits` */
};

static const ApiBase *base;
static const Api *api;
static Env *env;
static MemoryInfo *cpu_memory;
static Allocator *allocator;

static void check(Status *status) {
  if (status) fail("%s", api->GetErrorMessage(status));
}

double clock_ms(int which) {
  struct timespec time;
  clock_gettime(which, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

void load_runtime(const char *library) {
  void *handle = dlopen(library, RTLD_NOW);
  if (!handle) fail("ONNX Runtime cannot be loaded: %s", dlerror());
  const ApiBase *(*get_base)(void);
  *(void **)&get_base = dlsym(handle, "OrtGetApiBase");
  if (!get_base) fail("%s is no ONNX Runtime", library);
  base = get_base();
  api = base->GetApi(API_VERSION);
  if (!api) fail("ONNX Runtime %s is too old or too new", base->GetVersionString());
  check(api->CreateEnv(LOG_FATAL, "kdc", &env)); /* what is below fatal arrives as a status */
  check(api->CreateCpuMemoryInfo(0, 0, &cpu_memory));
  check(api->GetAllocatorWithDefaultOptions(&allocator));
}

const char *runtime_version(void) { return base->GetVersionString(); }

static Options *options_of(const Model *model, int threads) {
  Options *options;
  check(api->CreateSessionOptions(&options));
  check(api->SetSessionLogSeverityLevel(options, LOG_FATAL));
  check(api->SetIntraOpNumThreads(options, threads));
  check(api->SetInterOpNumThreads(options, 1));
  check(api->SetSessionGraphOptimizationLevel(options, model->level));
  if (!model->arena) check(api->DisableCpuMemArena(options));
  if (!model->pattern) check(api->DisableMemPattern(options));
  for (int i = 0; i < model->entries; i++)
    check(api->AddSessionConfigEntry(options, model->keys[i], model->values[i]));
  return options;
}

/* Check an input and note which of INPUTS it is, and the length it may declare. */
static void add_input(Open *open, size_t index) {
  char *name;
  check(api->SessionGetInputName(open->session, index, allocator, &name));
  int source = 0;
  while (source < 3 && strcmp(name, INPUTS[source])) source++;
  if (source == 3 || open->count == 3)
    fail("it takes %.100s, wanted input_ids, attention_mask and token_type_ids at most", name);
  TypeInfo *type;
  const TensorInfo *tensor = NULL;
  check(api->SessionGetInputTypeInfo(open->session, index, &type));
  check(api->CastTypeInfoToTensorInfo(type, &tensor));
  int element = 0;
  size_t axes = 0;
  int64_t shape[2];
  if (tensor) check(api->GetTensorElementType(tensor, &element));
  if (tensor) check(api->GetDimensionsCount(tensor, &axes));
  if (element != INT64 || axes != 2) fail("it takes %s otherwise than as int64 (B, T)", name);
  check(api->GetDimensions(tensor, shape, 2));
  if (source == 0 && shape[1] > 0) open->fixed = shape[1];
  open->source[open->count] = source;
  open->names[open->count++] = name;
}

static void check_output(const Open *open) {
  size_t count;
  check(api->SessionGetOutputCount(open->session, &count));
  for (size_t i = 0; i < count; i++) {
    char *name;
    check(api->SessionGetOutputName(open->session, i, allocator, &name));
    if (!strcmp(name, OUTPUT)) return;
  }
  fail("it gives no %s, so it is no text classifier", OUTPUT);
}

static int64_t padding_of(const Open *open) {
  Metadata *metadata;
  char *value = NULL;
  check(api->SessionGetModelMetadata(open->session, &metadata));
  check(api->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "kdc.padding", &value));
  return value ? strtoll(value, NULL, 10) : 0;
}

Open *open_model(const Model *model, int threads, double *load_ms) {
  Open *open = room(1, sizeof *open);
  Options *options = options_of(model, threads);
  double start = clock_ms(CLOCK_MONOTONIC);
  check(api->CreateSession(env, model->path, options, &open->session));
  *load_ms = clock_ms(CLOCK_MONOTONIC) - start;
  size_t count;
  check(api->SessionGetInputCount(open->session, &count));
  for (size_t i = 0; i < count; i++) add_input(open, i);
  int reads_ids = 0;
  for (int i = 0; i < open->count; i++) reads_ids |= open->source[i] == 0;
  if (!reads_ids) fail("it takes no %s, so it is no text classifier", INPUTS[0]);
  if (open->fixed > MOST_TOKENS) fail("it reads texts of more than %d tokens", MOST_TOKENS);
  check_output(open);
  open->padding = padding_of(open);
  for (int i = 0; i < 3; i++)
    open->filled[i] = room(open->fixed ? open->fixed : MOST_TOKENS, sizeof(int64_t));
  return open;
}

/* Fill up the three inputs; returns the tokens they then have. */
static int64_t fill(Open *open, const Text *text) {
  int64_t length = open->fixed ? open->fixed : text->length;
  int takes_mask = 0;
  for (int i = 0; i < open->count; i++) takes_mask |= open->source[i] == 1;
  if (text->length > length || (text->length < length && !takes_mask))
    fail("it reads texts of exactly %lld tokens, not %lld", (long long)length,
         (long long)text->length);
  for (int64_t i = 0; i < length; i++) {
    int own = i < text->length;
    open->filled[0][i] = own ? text->ids[i] : open->padding;
    open->filled[1][i] = own;
    open->filled[2][i] = own ? text->types[i] : 0;
  }
  return length;
}

static float from_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half >> 15) << 31, power = half >> 10 & 31, part = half & 1023;
  union {
    uint32_t bits;
    float value;
  } single;
  if (power == 0) { /* zero or subnormal: part times 2^-24 */
    single.value = part / 16777216.0f;
    single.bits |= sign;
  } else {
    single.bits = sign | (power == 31 ? 255u : power + 112) << 23 | part << 13;
  }
  return single.value;
}

/* Keep the logits of one answer, whose shape must be (1, classes). */
static size_t keep_logits(Open *open, Value *answer) {
  TensorInfo *info;
  size_t axes;
  int element;
  int64_t shape[2] = {0, 0};
  void *data;
  check(api->GetTensorTypeAndShape(answer, &info));
  check(api->GetDimensionsCount(info, &axes));
  check(api->GetTensorElementType(info, &element));
  if (axes == 2) check(api->GetDimensions(info, shape, 2));
  api->ReleaseTensorTypeAndShapeInfo(info);
  if (shape[0] != 1 || shape[1] < 1 || (element != FLOAT32 && element != FLOAT16))
    fail("its %s for a text are no float (1, classes): it is no text classifier", OUTPUT);
  size_t classes = shape[1];
  if (classes > open->places) {
    free(open->logits);
    open->logits = room(classes, sizeof(float));
    open->places = classes;
  }
  check(api->GetTensorMutableData(answer, &data));
  for (size_t i = 0; i < classes; i++)
    open->logits[i] = element == FLOAT32 ? ((float *)data)[i] : from_half(((uint16_t *)data)[i]);
  return classes;
}

const float *run_model(Open *open, const Text *text, size_t *classes) {
  int64_t shape[2] = {1, fill(open, text)};
  Value *inputs[3], *answer = NULL;
  for (int i = 0; i < open->count; i++)
    check(api->CreateTensorWithDataAsOrtValue(cpu_memory, open->filled[open->source[i]],
                                              shape[1] * sizeof(int64_t), shape, 2, INT64,
                                              &inputs[i]));
  check(api->Run(open->session, NULL, open->names, (const Value *const *)inputs, open->count,
                 &OUTPUT, 1, &answer));
  *classes = keep_logits(open, answer);
  api->ReleaseValue(answer);
  for (int i = 0; i < open->count; i++) api->ReleaseValue(inputs[i]);
  return open->logits;
}
