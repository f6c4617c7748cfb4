// CRC-32C (Castagnoli: reflected polynomial 0x82F63B78, first and last xor 0xFFFFFFFF).
#ifndef THW_IO_CRC32C_H
#define THW_IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// Fills the tables and chooses by the processor; once, before anything else here.
void thw_crc32c_prepare(void);

// The checksum of n bytes; `crc` is that of the bytes before them, 0 for none.
uint32_t thw_crc32c(uint32_t crc, const unsigned char *data, size_t n);

// The same by tables alone, on any processor.
uint32_t thw_crc32c_by_tables(uint32_t crc, const unsigned char *data, size_t n);

#endif
