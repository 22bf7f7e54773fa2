/* The part of ONNX Runtime's C interface that the runner calls.

   The library hands out one table of functions. It only ever grows at its end, so the places of
   these, the last of which came with version 1.5, hold for every later library, and no header of
   a particular version is needed. A `Skip` stands for functions that are not called here. */
#ifndef KDC_ORT_H
#define KDC_ORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct Status Status; /* NULL is success */
typedef struct Env Env;
typedef struct Options Options;
typedef struct Session Session;
typedef struct Value Value;
typedef struct MemoryInfo MemoryInfo;
typedef struct TypeInfo TypeInfo;
typedef struct TensorInfo TensorInfo;
typedef struct Metadata Metadata;
typedef struct Allocator Allocator;
typedef void (*Skip)(void);

enum { API_VERSION = 5, LOG_FATAL = 4, FLOAT32 = 1, INT64 = 7, FLOAT16 = 10 };

typedef struct {
  Skip skip_0[2];
  const char *(*GetErrorMessage)(const Status *);
  Status *(*CreateEnv)(int log_level, const char *name, Env **);
  Skip skip_4[3];
  Status *(*CreateSession)(const Env *, const char *path, const Options *, Session **);
  Skip skip_8;
  Status *(*Run)(Session *, const void *run_options, const char *const *input_names,
                 const Value *const *inputs, size_t input_count, const char *const *output_names,
                 size_t output_count, Value **outputs);
  Status *(*CreateSessionOptions)(Options **);
  Skip skip_11[6];
  Status *(*DisableMemPattern)(Options *);
  Skip skip_18;
  Status *(*DisableCpuMemArena)(Options *);
  Skip skip_20[2];
  Status *(*SetSessionLogSeverityLevel)(Options *, int);
  Status *(*SetSessionGraphOptimizationLevel)(Options *, int);
  Status *(*SetIntraOpNumThreads)(Options *, int);
  Status *(*SetInterOpNumThreads)(Options *, int);
  Skip skip_26[4];
  Status *(*SessionGetInputCount)(const Session *, size_t *);
  Status *(*SessionGetOutputCount)(const Session *, size_t *);
  Skip skip_32;
  Status *(*SessionGetInputTypeInfo)(const Session *, size_t index, TypeInfo **);
  Skip skip_34[2];
  Status *(*SessionGetInputName)(const Session *, size_t index, Allocator *, char **);
  Status *(*SessionGetOutputName)(const Session *, size_t index, Allocator *, char **);
  Skip skip_38[11];
  Status *(*CreateTensorWithDataAsOrtValue)(const MemoryInfo *, void *data, size_t bytes,
                                            const int64_t *shape, size_t axes, int type, Value **);
  Skip skip_50;
  Status *(*GetTensorMutableData)(Value *, void **);
  Skip skip_52[3];
  Status *(*CastTypeInfoToTensorInfo)(const TypeInfo *, const TensorInfo **);
  Skip skip_56[4];
  Status *(*GetTensorElementType)(const TensorInfo *, int *);
  Status *(*GetDimensionsCount)(const TensorInfo *, size_t *);
  Status *(*GetDimensions)(const TensorInfo *, int64_t *, size_t);
  Skip skip_63[2];
  Status *(*GetTensorTypeAndShape)(const Value *, TensorInfo **);
  Skip skip_66[3];
  Status *(*CreateCpuMemoryInfo)(int allocator, int memory, MemoryInfo **);
  Skip skip_70[8];
  Status *(*GetAllocatorWithDefaultOptions)(Allocator **);
  Skip skip_79[17];
  void (*ReleaseValue)(Value *);
  Skip skip_97[2];
  void (*ReleaseTensorTypeAndShapeInfo)(TensorInfo *);
  Skip skip_100[11];
  Status *(*SessionGetModelMetadata)(const Session *, Metadata **);
  Skip skip_112[4];
  Status *(*ModelMetadataLookupCustomMetadataMap)(const Metadata *, Allocator *, const char *key,
                                                  char **value);
  Skip skip_117[13];
  Status *(*AddSessionConfigEntry)(Options *, const char *key, const char *value);
} Api;

typedef struct {
  const Api *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} ApiBase;

#define PLACE(function) (offsetof(Api, function) / sizeof(Skip))
_Static_assert(PLACE(Run) == 9, "place in the table");
_Static_assert(PLACE(SetInterOpNumThreads) == 25, "place in the table");
_Static_assert(PLACE(SessionGetInputTypeInfo) == 33, "place in the table");
_Static_assert(PLACE(GetTensorMutableData) == 51, "place in the table");
_Static_assert(PLACE(GetTensorTypeAndShape) == 65, "place in the table");
_Static_assert(PLACE(GetAllocatorWithDefaultOptions) == 78, "place in the table");
_Static_assert(PLACE(ReleaseValue) == 96, "place in the table");
_Static_assert(PLACE(SessionGetModelMetadata) == 111, "place in the table");
_Static_assert(PLACE(AddSessionConfigEntry) == 130, "place in the table");

#endif
