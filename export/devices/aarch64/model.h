/* A text classifier in ONNX Runtime: opened, checked and run on one text at a time. */
#ifndef KDC_MODEL_H
#define KDC_MODEL_H

#include "job.h"

typedef struct Open Open;

/* Load ONNX Runtime from a file. */
void load_runtime(const char *library);

/* Return the version of ONNX Runtime. */
const char *runtime_version(void);

/* Open a model, or fail with what is wrong; the milliseconds it took go to `load_ms`. */
Open *open_model(const Model *model, int threads, double *load_ms);

/* Run a text alone, without padding but for a model of one length.
   Returns the logits, which stay until the next run, and their number. */
const float *run_model(Open *open, const Text *text, size_t *classes);

/* Milliseconds of a clock of the system. */
double clock_ms(int which);

#endif
