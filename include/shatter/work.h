// How long work in the library tells about itself, and how it is asked to stop. All members may be NULL.
#ifndef SHATTER_WORK_H
#define SHATTER_WORK_H

#include <stdbool.h>

typedef struct sht_work {
  void *context;
  // `done` of `total` units of `phase` ("factorisation"; static storage). Called on the thread that called the library,
  // often: draw as often as you like, not as often as you are called.
  void (*progressed)(void *context, const char *phase, double done, double total);
  // Polled on the calling thread; true: the work ends soon with SHT_STOPPED.
  bool (*stop_requested)(void *context);
  // A remark for people in whole sentences.
  void (*noted)(void *context, const char *sentence);
} sht_work;

#endif
