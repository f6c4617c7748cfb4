/* Conversions between element types. */
#ifndef THALWEG_CAST_H
#define THALWEG_CAST_H
#include <stdint.h>

#include "isa.h"

typedef void (*thw_cast_loop)(const void* x, void* y, int64_t n);

typedef struct {
  uint8_t from, to; /* DataTypes */
  thw_cast_loop fn;
} thw_cast_entry;

typedef struct { const thw_cast_entry* entries; int count; } thw_cast_table;

THW_CHOOSE_TABLE(cast)

#endif
