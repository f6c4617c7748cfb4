// CRC-32C (Castagnoli: reflected polynomial 0x82F63B78, first and last xor 0xFFFFFFFF).
#ifndef THW_IO_CRC32C_H
#define THW_IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// Fills the tables and chooses by the processor; once, before anything else here.
void thw_crc32c_prepare(void);

// The checksum of n bytes; `crc` is that of the bytes before them, 0 for none.
uint32_t thw_crc32c(uint32_t crc, const unsigned char *data, size_t n);

// The checksum of two pieces one after the other, the second of n_second bytes, from their own checksums.
uint32_t thw_crc32c_joined(uint32_t first, uint32_t second, uint64_t n_second);

// thw_crc32c by tables alone, on any processor.
uint32_t thw_crc32c_by_tables(uint32_t crc, const unsigned char *data, size_t n);

#endif
