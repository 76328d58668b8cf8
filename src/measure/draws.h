// What the random numbers of this folder are for: the `epoch` of SHT_PURPOSE_MEASURE's stream.
#ifndef SHT_MEASURE_DRAWS_H
#define SHT_MEASURE_DRAWS_H

enum {
  SHT__DRAW_START,  // index: element of a vector; where iterations begin
  SHT__DRAW_NOISE,  // + number of the draw; index: pair of parameters
};

#endif
