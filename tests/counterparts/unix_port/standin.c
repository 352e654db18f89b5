// The module `standin`: what the unix port has more of than an ESP32, taken from it, and failures
// made on purpose. The linker puts the functions __wrap_* in the place of those they are named after.
//
//   sockets(n)     at most n sockets in all, as lwIP has it on stock firmware; 0: no limit
//   fail_every(n)  each n-th allocation on the heap fails; 0: none. Returns how many have failed
//   large(n)       (count, largest) of the allocations above n bytes since the last call
//   rom(path)      what a file holds, as memory that is not of the heap: a board's flash
//   speed(n)       the clock of time.ticks_ms runs n times as fast

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "py/gc.h"
#include "py/objarray.h"
#include "py/runtime.h"

#define MOST_FDS (1024)

static bool is_socket[MOST_FDS];
static int sockets_open, sockets_most;

static int counted(int fd) {
    if (fd >= 0 && fd < MOST_FDS) {
        is_socket[fd] = true;
        sockets_open++;
    }
    return fd;
}

static bool none_left(void) {
    return sockets_most && sockets_open >= sockets_most;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol) {
    if (none_left()) {
        errno = ENFILE;
        return -1;
    }
    return counted(__real_socket(domain, type, protocol));
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    if (fd >= 0 && fd < MOST_FDS && is_socket[fd]) {
        is_socket[fd] = false;
        sockets_open--;
    }
    return __real_close(fd);
}

// lwIP drops a connection for which it has no socket.
int __real_accept(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *size) {
    int accepted = __real_accept(fd, address, size);
    if (accepted >= 0 && none_left()) {
        __real_close(accepted);
        errno = ENFILE;
        return -1;
    }
    return counted(accepted);
}

static size_t fail_every, since_failure, failures;
static size_t large_from = 256, large_count, largest;

static bool fails(size_t bytes) {
    if (bytes > large_from) {
        large_count++;
        largest = MAX(largest, bytes);
    }
    if (!fail_every || ++since_failure < fail_every) {
        return false;
    }
    since_failure = 0;
    failures++;
    return true;
}

void *__real_gc_alloc(size_t bytes, unsigned int flags);
void *__wrap_gc_alloc(size_t bytes, unsigned int flags);
void *__wrap_gc_alloc(size_t bytes, unsigned int flags) {
    return fails(bytes) ? NULL : __real_gc_alloc(bytes, flags);
}

// Called for less, and for nothing to free, too: that does not fail.
void *__real_gc_realloc(void *at, size_t bytes, bool may_move);
void *__wrap_gc_realloc(void *at, size_t bytes, bool may_move);
void *__wrap_gc_realloc(void *at, size_t bytes, bool may_move) {
    bool grows = bytes > gc_nbytes(at);
    return grows && fails(bytes) ? NULL : __real_gc_realloc(at, bytes, may_move);
}

static mp_uint_t speed = 1, speed_since, speed_from;

mp_uint_t __real_mp_hal_ticks_ms(void);
mp_uint_t __wrap_mp_hal_ticks_ms(void);
mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    return speed_from + (__real_mp_hal_ticks_ms() - speed_since) * speed;
}

static mp_obj_t standin_sockets(mp_obj_t most) {
    sockets_most = mp_obj_get_int(most);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(standin_sockets_obj, standin_sockets);

static mp_obj_t standin_fail_every(mp_obj_t count) {
    size_t failed = failures;
    fail_every = mp_obj_get_int(count);
    since_failure = failures = 0;
    return MP_OBJ_NEW_SMALL_INT(failed);
}
static MP_DEFINE_CONST_FUN_OBJ_1(standin_fail_every_obj, standin_fail_every);

static mp_obj_t standin_large(mp_obj_t from) {
    mp_obj_t found[2] = {MP_OBJ_NEW_SMALL_INT(large_count), MP_OBJ_NEW_SMALL_INT(largest)};
    large_from = mp_obj_get_int(from);
    mp_obj_t answer = mp_obj_new_tuple(2, found);
    large_count = largest = 0;
    return answer;
}
static MP_DEFINE_CONST_FUN_OBJ_1(standin_large_obj, standin_large);

static mp_obj_t standin_rom(mp_obj_t path) {
    int fd = open(mp_obj_str_get_str(path), O_RDONLY);
    struct stat found;
    void *at = MAP_FAILED;
    if (fd >= 0 && !fstat(fd, &found)) {
        at = mmap(NULL, found.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (at == MAP_FAILED) {
        mp_raise_OSError(errno);
    }
    __real_close(fd);
    return mp_obj_new_memoryview('B', found.st_size, at);
}
static MP_DEFINE_CONST_FUN_OBJ_1(standin_rom_obj, standin_rom);

static mp_obj_t standin_speed(mp_obj_t times) {
    speed_from = __wrap_mp_hal_ticks_ms();
    speed_since = __real_mp_hal_ticks_ms();
    speed = mp_obj_get_int(times);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(standin_speed_obj, standin_speed);

static const mp_rom_map_elem_t standin_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_standin) },
    { MP_ROM_QSTR(MP_QSTR_sockets), MP_ROM_PTR(&standin_sockets_obj) },
    { MP_ROM_QSTR(MP_QSTR_fail_every), MP_ROM_PTR(&standin_fail_every_obj) },
    { MP_ROM_QSTR(MP_QSTR_large), MP_ROM_PTR(&standin_large_obj) },
    { MP_ROM_QSTR(MP_QSTR_rom), MP_ROM_PTR(&standin_rom_obj) },
    { MP_ROM_QSTR(MP_QSTR_speed), MP_ROM_PTR(&standin_speed_obj) },
};
static MP_DEFINE_CONST_DICT(standin_globals, standin_globals_table);

const mp_obj_module_t standin_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&standin_globals,
};
MP_REGISTER_MODULE(MP_QSTR_standin, standin_module);
