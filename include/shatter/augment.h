// Augmentation: a new variant of every training image in every epoch.
//
// Nothing here is floating point once it is drawn, so that every backend gives the same bytes. The definition, for
// whoever writes another backend (>> rounds down; "drawn below n" is sht_rng_below with bound n, and the stream is
// (seed, SHT_PURPOSE_AUGMENT), the epoch, the example's index in its split, and the draw number given):
//
// Order: crop, rotation, flip, colour, then whitening as always. Labels stay. Each draw has its own number, so that
// turning one kind on or off leaves the others as they were.
//
// Window. The stored image is H x W, the window h x w. Crop with padding P (draws 0, 1):
//   top = drawn below (H - h + 2P + 1), less P; left likewise from W and w.
// Without crop, the centre: floor((H - h) / 2). Outside the stored image, its nearest edge pixel is repeated: this
// holds for padding and for what a rotation turns in. Where crop or rotation is on, images are stored whole, so that
// the window may move, and turn, over what lies around it.
//
// Flip (draw 2): mirrored left to right when the 32-bit word is below floor(p * 2^32).
//
// Rotation about the window's centre, anticlockwise as seen (draw 3). With M = round(degrees * 2^24 / 360), the angle
// is (drawn below (2M + 1), less M) in 2^-24 turns. c and s are its cosine and sine in 2^-16 (from integers: sht__turn
// in src/data/variant.c). Pixel (y, x) of the window, x mirrored first if flipped, reads the stored image at
//   u = 2x - (w - 1), v = 2y - (h - 1)
//   X = left * 2^17 + (w - 1) * 2^16 + u c - v s,    Y = top * 2^17 + (h - 1) * 2^16 + u s + v c      (2^-17 pixels)
//   X' = (X + 2^8) >> 9, Y' likewise (2^-8 pixels);   x0 = X' >> 8, fx = X' & 255
//   value = ((256 - fy) ((256 - fx) p00 + fx p01) + fy ((256 - fx) p10 + fx p11) + 2^15) >> 16
// with p01 right of p00 and p10 below it, each coordinate clamped into the stored image.
//
// Colour (draws 4 to 7), one matrix and one rounding for all four:
//   b = brightness in 2^-16 levels: drawn below (2D + 1), less D, with D = round(d * 255 * 2^16)
//   k, z = contrast and saturation in 2^-16: 2^16 less D plus (drawn below (2D + 1)), with D = round(d * 2^16)
//   angle of the hue as for the rotation, from M = round(turns * 2^24)
// Hue turns the plane of equal luma (that of YIQ, in which grey is the origin) about grey, positive from red to blue,
// and saturation stretches it. In 2^-16, I is the identity, every row of L is (19595, 38470, 7471), and Q, a quarter
// turn, is
//   (10993, 21582, -32575), (-21503, 2324, 19179), (81890, -68573, -13317):
// with weights (.299, .587, .114) of luma Y, U = .492 (blue - Y) and V = .877 (red - Y), it takes (V, U) to (-U, V). C
// = (z cos + 2^15) >> 16 and S = (z sin + 2^15) >> 16:
//   T = L + ((C (I - L) + S Q + 2^15) >> 16),    A = (k T + 2^15) >> 16
// Contrast leaves each channel's mean over the window where it is. With m_j = floor((2^16 * sum of channel j + h w / 2)
// / (h w)) and t_i = (sum over j of T_ij m_j + 2^15) >> 16:
//   B_i = (((2^16 - k) t_i + 2^15) >> 16) + b + 2^15
//   new level i = clamp((sum over j of A_ij level_j + B_i) >> 16, 0, 255)
// Images that do not have three channels are changed in brightness and contrast alone: T = I.
#ifndef SHATTER_AUGMENT_H
#define SHATTER_AUGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/error.h"

// What may happen to an image. All zero: nothing.
typedef struct sht_augmentation {
  bool crop;          // window at a random place
  uint32_t padding;   // P: pixels around the image that the window may take in
  double flip;        // probability
  double rotate;      // degrees, at most this much either way; images of up to 8,192 pixels a side
  double brightness;  // at most this much more or less, as a fraction of the range
  double contrast;    // factor from 1 - c to 1 + c
  double saturation;  // factor from 1 - s to 1 + s
  double hue;         // turns of the colour circle, at most this much either way
} sht_augmentation;

// Reads "none", or a list such as "crop,flip,rotate:25". Values, and what they are when not given:
//   crop:P 0 pixels of padding   flip:P 0.5   rotate:DEGREES 25   brightness:D 32/255   contrast:C 0.5
//   saturation:S 0.5   hue:TURNS 0.2   color: the last four
// 25 degrees are the paper's (facts.md Table 4); the values of colour are those of TensorFlow's Inception preprocessing
// of its time. Errors: SHT_CONFIG with a suggestion.
sht_status sht_augmentation_parse(const char *text, sht_augmentation *out, sht_error *error);

// The one way to write it: order and values as above, what does nothing left out, "none" when nothing is left.
// out: [size], 256 are enough. Returns out.
char *sht_augmentation_print(const sht_augmentation *how, char *out, size_t size);

bool sht_augmentation_is_on(const sht_augmentation *how);
// Whether it reads beyond the window's edge: crop and rotation.
bool sht_augmentation_reads_around(const sht_augmentation *how);

// What is done to one image: numbers as defined above.
typedef struct sht_variant {
  int32_t top, left;  // of the window in the stored image; negative in the padding
  bool flip;
  bool rotated;             // by an angle other than 0
  int32_t cosine, sine;     // c, s of the rotation in 2^-16
  bool coloured;            // whether the numbers below are other than identity
  int32_t transform[3][3];  // T in 2^-16
  int32_t contrast;         // k in 2^-16
  int32_t brightness;       // b in 2^-16 levels
} sht_variant;

// Sizes of an image: stored, and of the window.
typedef struct sht_variant_shape {
  uint32_t height, width;                // H, W
  uint32_t window_height, window_width;  // h, w; at most H, W
  uint32_t channels;
} sht_variant_shape;

// The variant of an example in an epoch.
void sht_variant_draw(const sht_augmentation *how, uint64_t seed, uint32_t epoch, uint64_t example,
                      const sht_variant_shape *shape, sht_variant *out);

// Carries it out. stored: [H][W][channels]; out: [h][w][channels], apart from `stored`.
void sht_variant_apply(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored, uint8_t *out);

#endif
