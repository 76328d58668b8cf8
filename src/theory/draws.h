// What the random numbers of this folder are for: the `epoch` of SHT_PURPOSE_THEORY's stream. Part of every result:
// never renumber, only append.
#ifndef SHT_THEORY_DRAWS_H
#define SHT_THEORY_DRAWS_H

enum {
  SHT__DRAW_DIRECTION = 1,  // index: attempt << 32 | coordinate
  SHT__DRAW_POINT,          // index: point, draw: coordinate
  SHT__DRAW_TARGET,         // index: point
  SHT__DRAW_SUBSET,         // a permutation: which points go through the engine
  SHT__DRAW_VECTOR,         // index: element; where iterations begin
  SHT__DRAW_ORDER,          // index: epoch; a permutation of the examples
  SHT__DRAW_WEIGHT,         // index: element; where gradient descent begins
  SHT__DRAW_CENTRE,         // index: centre, draw: coordinate
  SHT__DRAW_LABEL,          // index: test example; its random label
};

#endif
