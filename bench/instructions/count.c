/* A plugin for qemu's user mode (QEMU 7 or newer): writes the number of instructions executed to standard
 * error. The declarations are what it needs of qemu-plugin.h, which Debian does not package.
 */
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*call)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int operation, void *at,
                                              uint64_t amount);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 1;

static uint64_t executed;

static void
translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    qemu_plugin_register_vcpu_tb_exec_inline(tb, 0 /* add */, &executed, qemu_plugin_tb_n_insns(tb));
}

static void
at_exit(uint64_t id, void *data)
{
    fprintf(stderr, "%llu\n", (unsigned long long)executed);
}

EXPORT int
qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
