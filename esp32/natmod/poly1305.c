// kw._poly1305 in C, for RISC-V: the interface is that of the kernel in viper, which
// esp32/kernels/poly1305.py writes. RFC 8439, 2.5, in five limbs of 26 bits.

#include "py/dynruntime.h"

enum { BLOCK = 16, MASK = 0x3ffffff };

typedef struct {
    uint32_t r[5], h[5], s[4];
    uint32_t held;
    uint8_t block[BLOCK];
} state_t;

static uint32_t word(const uint8_t *bytes) {
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void limbs(uint32_t *limb, const uint8_t *bytes) {
    limb[0] = word(bytes) & MASK;
    limb[1] = word(bytes + 3) >> 2 & MASK;
    limb[2] = word(bytes + 6) >> 4 & MASK;
    limb[3] = word(bytes + 9) >> 6;
    limb[4] = word(bytes + 12) >> 8;
}

// The products of limbs below 2^28 and 2^26, five times four of them and one, are below 2^64.
static void multiply(state_t *state) {
    uint32_t *h = state->h;
    const uint32_t *r = state->r;
    uint64_t carry = 0;
    uint32_t product[5];
    for (int k = 0; k < 5; k++) {
        uint64_t sum = carry;
        for (int i = 0; i < 5; i++) {
            sum += (uint64_t)h[i] * (i <= k ? r[k - i] : r[k + 5 - i] * 5);
        }
        product[k] = sum & MASK;
        carry = sum >> 26;
    }
    uint64_t first = product[0] + carry * 5;
    h[0] = first & MASK;
    h[1] = product[1] + (uint32_t)(first >> 26);
    for (int i = 2; i < 5; i++) {
        h[i] = product[i];
    }
}

static void add(state_t *state, const uint8_t *bytes) {
    uint32_t limb[5];
    limbs(limb, bytes);
    limb[4] |= 1 << 24;
    for (int i = 0; i < 5; i++) {
        state->h[i] += limb[i];
    }
    multiply(state);
}

static state_t *state_of(mp_obj_t object) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_RW);
    return buffer.buf;
}

static const uint8_t *bytes_of(mp_obj_t object) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    return buffer.buf;
}

static mp_obj_t start(mp_obj_t state_object, mp_obj_t key_object) {
    state_t *state = state_of(state_object);
    const uint8_t *key = bytes_of(key_object);
    for (int i = 0; i < BLOCK; i++) {
        state->block[i] = key[i] & (i % 4 == 3 ? 15 : i % 4 == 0 && i ? 252 : 255);
    }
    limbs(state->r, state->block);
    for (int i = 0; i < 5; i++) {
        state->h[i] = 0;
    }
    for (int i = 0; i < 4; i++) {
        state->s[i] = word(key + BLOCK + 4 * i);
    }
    state->held = 0;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(start_object, start);

static mp_obj_t absorb(size_t count, const mp_obj_t *arguments) {
    state_t *state = state_of(arguments[2]);
    const uint8_t *bytes = bytes_of(arguments[3]);
    const uint8_t *at = bytes + mp_obj_get_int(arguments[4]);
    const uint8_t *end = bytes + mp_obj_get_int(arguments[5]);
    while (at < end) {
        if (state->held == 0 && end - at >= BLOCK) {
            add(state, at);
            at += BLOCK;
            continue;
        }
        state->block[state->held++] = *at++;
        if (state->held == BLOCK) {
            state->held = 0;
            add(state, state->block);
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(absorb_object, 6, 6, absorb);

static mp_obj_t finish(mp_obj_t state_object, mp_obj_t into, mp_obj_t at) {
    state_t *state = state_of(state_object);
    uint32_t *h = state->h;
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(into, &buffer, MP_BUFFER_RW);
    uint8_t *tag = (uint8_t *)buffer.buf + mp_obj_get_int(at);
    for (int pass = 0; pass < 2; pass++) {
        uint32_t carry = 0;
        for (int i = 0; i < 5; i++) {
            h[i] += carry;
            carry = h[i] >> 26;
            h[i] &= MASK;
        }
        h[0] += carry * 5;
    }
    uint32_t carry = 5;  // becomes 1 if h is not below 2^130 - 5
    for (int i = 0; i < 5; i++) {
        carry = (h[i] + carry) >> 26;
    }
    h[0] += carry * 5;
    for (int i = 0; i < 4; i++) {
        h[i + 1] += h[i] >> 26;
        h[i] &= MASK;
    }
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (uint64_t)state->s[i] + (h[i] >> 6 * i | h[i + 1] << (26 - 6 * i));
        for (int byte = 0; byte < 4; byte++) {
            *tag++ = (uint32_t)sum >> 8 * byte;
        }
        sum >>= 32;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(finish_object, finish);

static mp_obj_t differ(size_t count, const mp_obj_t *arguments) {
    const uint8_t *a = bytes_of(arguments[0]), *b = bytes_of(arguments[1]);
    b += mp_obj_get_int(arguments[2]);
    uint8_t different = 0;
    for (mp_int_t i = mp_obj_get_int(arguments[3]); i > 0; i--) {
        different |= *a++ ^ *b++;
    }
    return MP_OBJ_NEW_SMALL_INT(different);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(differ_object, 4, 4, differ);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_start, MP_OBJ_FROM_PTR(&start_object));
    mp_store_global(MP_QSTR_absorb, MP_OBJ_FROM_PTR(&absorb_object));
    mp_store_global(MP_QSTR_finish, MP_OBJ_FROM_PTR(&finish_object));
    mp_store_global(MP_QSTR_differ, MP_OBJ_FROM_PTR(&differ_object));
    mp_store_global(MP_QSTR_WORDS, MP_OBJ_NEW_SMALL_INT(sizeof(state_t) / 4));
    MP_DYNRUNTIME_INIT_EXIT
}
