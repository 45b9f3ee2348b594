/* The product of a CSR matrix with a table of 64 columns. Rows of the table are asked
 * for `ahead` non-zeros before they are read, into the second-level cache where `far`
 * is not 0, else into the first; ahead = 0 asks for nothing. */
#include <stdint.h>
#include <string.h>

typedef float part __attribute__((vector_size(64)));

static inline part at(const float *place) {
  part found;
  memcpy(&found, place, sizeof found);
  return found;
}

static inline void ask(const float *row, int far) {
  for (int i = 0; i < 64; i += 16) {
    if (far)
      __builtin_prefetch(row + i, 0, 2);
    else
      __builtin_prefetch(row + i, 0, 3);
  }
}

void product(int64_t rows, const int32_t *crow, const int32_t *col,
             const float *values, const float *x, float *out, int64_t ahead, int far) {
  const int64_t nonzeros = crow[rows];
  for (int64_t r = 0; r < rows; r++) {
    part a = {0}, b = {0}, c = {0}, d = {0};
    for (int64_t j = crow[r]; j < crow[r + 1]; j++) {
      if (ahead && j + ahead < nonzeros)
        ask(x + 64 * (int64_t)col[j + ahead], far);
      const float *row = x + 64 * (int64_t)col[j];
      a += values[j] * at(row);
      b += values[j] * at(row + 16);
      c += values[j] * at(row + 32);
      d += values[j] * at(row + 48);
    }
    memcpy(out + 64 * r, &a, sizeof a);
    memcpy(out + 64 * r + 16, &b, sizeof b);
    memcpy(out + 64 * r + 32, &c, sizeof c);
    memcpy(out + 64 * r + 48, &d, sizeof d);
  }
}
