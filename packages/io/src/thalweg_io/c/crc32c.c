// Eight tables take eight bytes a step anywhere. Where the processor has the instruction, it takes eight bytes a step
// too, in three streams at once: one result takes three cycles, and one can begin in each.
#include "crc32c.h"

#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <nmmintrin.h>
#define HAS_INSTRUCTION __builtin_cpu_supports("sse4.2")
#define ON_SUCH_A_PROCESSOR __attribute__((target("sse4.2")))
#define STEP_8(state, word) _mm_crc32_u64(state, word)
#define STEP_1(state, byte) _mm_crc32_u8((uint32_t)(state), byte)
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HAS_INSTRUCTION 1
#define ON_SUCH_A_PROCESSOR
#define STEP_8(state, word) __crc32cd((uint32_t)(state), word)
#define STEP_1(state, byte) __crc32cb((uint32_t)(state), byte)
#endif

#define POLYNOMIAL 0x82F63B78u
#define STREAM 4096                                   // bytes in each of three streams

static uint32_t tables[8][256];                       // tables[k][b]: byte b, followed by k zero bytes
static int is_little_endian;

static uint32_t load_32(const unsigned char *p) {
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

static void fill_tables(void) {
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t state = b;
        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ (state & 1 ? POLYNOMIAL : 0);
        tables[0][b] = state;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xFF];
}

uint32_t thw_crc32c_by_tables(uint32_t crc, const unsigned char *data, size_t n) {
    uint32_t state = ~crc;
    for (; is_little_endian && n >= 8; data += 8, n -= 8) {
        uint32_t low = state ^ load_32(data), high = load_32(data + 4);
        state = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24]
              ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF]
              ^ tables[0][high >> 24];
    }
    for (; n; data++, n--)
        state = (state >> 8) ^ tables[0][(state ^ *data) & 0xFF];
    return ~state;
}

#ifdef HAS_INSTRUCTION
static uint32_t behind_stream[4][256];                // a state's byte k, followed by STREAM zero bytes

static uint64_t load_64(const unsigned char *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

// The state after zeros is linear in the state: it is made of what becomes of each bit alone.
ON_SUCH_A_PROCESSOR static void fill_behind_stream(void) {
    uint32_t of_bit[32];
    for (int bit = 0; bit < 32; bit++) {
        uint64_t state = (uint64_t)1 << bit;
        for (int i = 0; i < STREAM / 8; i++)
            state = STEP_8(state, 0);
        of_bit[bit] = (uint32_t)state;
    }
    for (int k = 0; k < 4; k++)
        for (int b = 0; b < 256; b++) {
            behind_stream[k][b] = 0;
            for (int bit = 0; bit < 8; bit++)
                behind_stream[k][b] ^= b >> bit & 1 ? of_bit[8 * k + bit] : 0;
        }
}

static uint64_t moved_behind_stream(uint64_t state) {
    return behind_stream[0][state & 0xFF] ^ behind_stream[1][state >> 8 & 0xFF]
         ^ behind_stream[2][state >> 16 & 0xFF] ^ behind_stream[3][state >> 24 & 0xFF];
}

ON_SUCH_A_PROCESSOR static uint32_t by_instruction(uint32_t crc, const unsigned char *data, size_t n) {
    uint64_t state = (uint32_t)~crc;
    for (; n >= 3 * STREAM; data += 3 * STREAM, n -= 3 * STREAM) {
        uint64_t second = 0, third = 0;
        for (const unsigned char *line = data; line < data + STREAM; line += 64) {
            // A processor does not foresee where the streams go on; past the end of the data this does no harm.
            for (int k = 3; k < 6; k++)
                __builtin_prefetch(line + k * STREAM);
            for (const unsigned char *p = line; p < line + 64; p += 8) {
                state = STEP_8(state, load_64(p));
                second = STEP_8(second, load_64(p + STREAM));
                third = STEP_8(third, load_64(p + 2 * STREAM));
            }
        }
        state = moved_behind_stream(moved_behind_stream(state) ^ second) ^ third;
    }
    for (; n >= 8; data += 8, n -= 8)
        state = STEP_8(state, load_64(data));
    for (; n; data++, n--)
        state = STEP_1(state, *data);
    return ~(uint32_t)state;
}
#endif

static uint32_t (*chosen)(uint32_t, const unsigned char *, size_t) = thw_crc32c_by_tables;

void thw_crc32c_prepare(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    is_little_endian = first;
    fill_tables();
#ifdef HAS_INSTRUCTION
    if (HAS_INSTRUCTION) {
        fill_behind_stream();
        chosen = by_instruction;
    }
#endif
}

uint32_t thw_crc32c(uint32_t crc, const unsigned char *data, size_t n) {
    return chosen(crc, data, n);
}

// The product of two polynomials modulo the checksum's own; bit 31 is the coefficient of x^0.
static uint32_t product(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (; a; a <<= 1) {
        sum ^= a >> 31 ? b : 0;
        b = (b >> 1) ^ (b & 1 ? POLYNOMIAL : 0);
    }
    return sum;
}

// Bytes that follow multiply what was before by x^8 each; the powers come by squaring.
uint32_t thw_crc32c_joined(uint32_t first, uint32_t second, uint64_t n_second) {
    uint32_t power = (uint32_t)1 << 23;               // x^8
    for (; n_second; n_second >>= 1, power = product(power, power))
        if (n_second & 1)
            first = product(first, power);
    return first ^ second;
}
