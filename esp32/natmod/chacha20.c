// kw._chacha20 in C, for RISC-V: the interface is that of the kernel in viper, which
// esp32/kernels/chacha20.py writes. RFC 8439, 2.4.

#include "py/dynruntime.h"

enum { STREAM = 16, USED = 32, WORDS = 33, BLOCK = 64 };

static uint32_t rotate(uint32_t word, int count) {
    return word << count | word >> (32 - count);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d) {
    x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

static void next_block(uint32_t *state) {
    uint32_t x[16];
    for (int i = 0; i < 16; i++) {
        x[i] = state[i];
    }
    for (int i = 0; i < 10; i++) {
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++) {
        state[STREAM + i] = x[i] + state[i];
    }
    state[12]++;
    state[USED] = 0;
}

static mp_obj_t xor_(size_t count, const mp_obj_t *arguments) {
    mp_buffer_info_t state, buffer;
    mp_get_buffer_raise(arguments[2], &state, MP_BUFFER_RW);
    mp_get_buffer_raise(arguments[3], &buffer, MP_BUFFER_RW);
    uint32_t *words = state.buf;
    const uint8_t *stream = (const uint8_t *)(words + STREAM);
    uint8_t *at = (uint8_t *)buffer.buf + mp_obj_get_int(arguments[4]);
    uint8_t *end = (uint8_t *)buffer.buf + mp_obj_get_int(arguments[5]);
    while (at < end) {
        if (words[USED] == BLOCK) {
            next_block(words);
        }
        if (words[USED] == 0 && end - at >= BLOCK && ((uintptr_t)at & 3) == 0) {
            for (int i = 0; i < BLOCK / 4; i++) {
                ((uint32_t *)at)[i] ^= words[STREAM + i];
            }
            at += BLOCK;
            words[USED] = BLOCK;
        } else {
            *at++ ^= stream[words[USED]++];
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(xor_object, 6, 6, xor_);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_xor, MP_OBJ_FROM_PTR(&xor_object));
    mp_store_global(MP_QSTR_STREAM, MP_OBJ_NEW_SMALL_INT(STREAM));
    mp_store_global(MP_QSTR_USED, MP_OBJ_NEW_SMALL_INT(USED));
    mp_store_global(MP_QSTR_WORDS, MP_OBJ_NEW_SMALL_INT(WORDS));
    MP_DYNRUNTIME_INIT_EXIT
}
