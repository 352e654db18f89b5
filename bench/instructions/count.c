/* A plugin for qemu (QEMU 7 or newer): writes the number of instructions executed to standard error at the end;
 * or, with at=PATH, keeps it in the first 8 bytes of that file, for who looks while it runs.
 * The declarations are what it needs of qemu-plugin.h, which Debian does not package.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*call)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int operation, void *at,
                                              uint64_t amount);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 1;

static uint64_t own, *executed = &own;

static void
translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    qemu_plugin_register_vcpu_tb_exec_inline(tb, 0 /* add */, executed, qemu_plugin_tb_n_insns(tb));
}

static void
at_exit(uint64_t id, void *data)
{
    if (executed == &own)
        fprintf(stderr, "%llu\n", (unsigned long long)own);
}

EXPORT int
qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    if (argc == 1 && strncmp(argv[0], "at=", 3) == 0) {
        executed = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, open(argv[0] + 3, O_RDWR), 0);
        if (executed == MAP_FAILED)
            return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
