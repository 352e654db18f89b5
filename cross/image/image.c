/* The program: CPython with every module inside, and nothing of the machine but its kernel.
 *
 * Modules are code objects, in groups of those that are imported one after another; each group is packed
 * (unpack.c). image.h, with a table of the modules sorted by name, and modules.bin are made by
 * cross/hosted/bytecode.py. They stay in the file's pages, which the kernel can drop. A group is unpacked
 * when one of its modules is imported, and a few are held until the program is ready.
 * No path is searched and no environment variable of Python is read.
 */
#define _GNU_SOURCE /* for dladdr() */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <asm/unistd.h>
#include <dlfcn.h>
#include <errno.h>
#define Py_BUILD_CORE
#include <internal/pycore_import.h>
#undef Py_BUILD_CORE
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <marshal.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ask.h"
#include "unpack.h"

typedef struct {
    unsigned offset, packed, size;
} Group;

typedef struct {
    const char *name;
    unsigned group, offset, size; /* offset: in the unpacked group */
    int package;
} Module;

#include "image.h"

extern const unsigned char image_modules_bin[], image_modules_end[];

static int
compare(const void *name, const void *module)
{
    return strcmp(name, ((const Module *)module)->name);
}

static const Module *
lookup(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);

    if (text == NULL)
        return NULL;
    return bsearch(text, image_modules, sizeof image_modules / sizeof *image_modules,
                   sizeof *image_modules, compare);
}

/* find(name): whether that module is a package; None if there is no such module. */
static PyObject *
image_find(PyObject *self, PyObject *name)
{
    const Module *module = lookup(name);

    if (module != NULL)
        return PyBool_FromLong(module->package);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* Lets go of the image's pages: a group is unpacked once, as a rule, and the file has it if again. */
static void
drop_pages(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = ((uintptr_t)image_modules_bin + page - 1) / page * page;
    const uintptr_t end = (uintptr_t)image_modules_end / page * page;

    madvise((void *)start, end - start, MADV_DONTNEED);
}

/* Groups that are held unpacked, the one used last first: imports go back and forth between few. */
enum { HELD = 4 };
static struct {
    const Group *group;
    unsigned char *plain;
} held[HELD];
static int is_ready;

static void
let_go(int number)
{
    free(held[number].plain);
    held[number].plain = NULL;
    held[number].group = NULL;
}

/* Unpacks `group` to held[number], which holds none; false with an exception. `name`: for which module. */
static int
hold(int number, const Group *group, PyObject *name)
{
    unsigned char *plain = malloc(group->size);
    enum Unpacked result = UNPACK_NO_MEMORY;

    if (plain != NULL)
        result = unpack(image_modules_bin + group->offset, group->packed, plain, group->size);
    drop_pages();
    held[number].group = group;
    held[number].plain = plain;
    if (result == UNPACKED)
        return 1;
    let_go(number);
    if (result == UNPACK_NO_MEMORY)
        PyErr_NoMemory();
    else
        PyErr_Format(PyExc_ImportError, "module %R is damaged", name);
    return 0;
}

/* `group`, unpacked and first of those that are held; NULL with an exception. */
static const unsigned char *
unpacked(const Group *group, PyObject *name)
{
    int number = 0;

    while (number < HELD - 1 && held[number].group != group)
        number++;
    if (held[number].group != group) {
        let_go(number);
        if (!hold(number, group, name))
            return NULL;
    }
    for (; number > 0; number--) {
        unsigned char *plain = held[number].plain;

        held[number] = held[number - 1];
        held[number - 1].group = group;
        held[number - 1].plain = plain;
    }
    return held[0].plain;
}

/* code(name): the code object of a module that find() knows. */
static PyObject *
image_code(PyObject *self, PyObject *name)
{
    const Module *module = lookup(name);
    const unsigned char *plain;

    if (module == NULL)
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ImportError, "no module %R", name);
    plain = unpacked(image_groups + module->group, name);
    if (plain == NULL)
        return NULL;
    return PyMarshal_ReadObjectFromString((const char *)plain + module->offset, (Py_ssize_t)module->size);
}

/* imported(): the outermost of imports is done. Once ready, others come seldom. */
static PyObject *
image_imported(PyObject *self, PyObject *unused)
{
    for (int i = 0; is_ready && i < HELD; i++)
        let_go(i);
    Py_RETURN_NONE;
}

/* ready(): the program's start is over, for edge/process.py. */
static PyObject *
image_ready(PyObject *self, PyObject *unused)
{
    is_ready = 1;
    return image_imported(self, unused);
}

/* For Nuitka's run time, in the place of Py_CompileStringExFlags: the one thing it compiles. */
PyObject *
image_empty_function(const char *source, const char *name, int start, PyCompilerFlags *flags, int level)
{
    PyObject *module = PyUnicode_FromString("_empty_function");
    PyObject *code = module ? image_code(NULL, module) : NULL;

    Py_XDECREF(module);
    return code;
}

/* names(): all of them, sorted. */
static PyObject *
image_names(PyObject *self, PyObject *unused)
{
    const size_t count = sizeof image_modules / sizeof *image_modules;
    PyObject *names = PyList_New((Py_ssize_t)count);
    size_t i;

    for (i = 0; names != NULL && i < count; i++) {
        PyObject *name = PyUnicode_FromString(image_modules[i].name);

        if (name == NULL)
            Py_CLEAR(names);
        else
            PyList_SET_ITEM(names, (Py_ssize_t)i, name);
    }
    return names;
}

/* prctl(option, value): prctl(2), for edge/process.py. */
static PyObject *
image_prctl(PyObject *self, PyObject *args)
{
    int option;
    unsigned long value;

    if (!PyArg_ParseTuple(args, "ik", &option, &value))
        return NULL;
    return PyLong_FromLong(prctl(option, value, 0, 0, 0));
}

static PyMethodDef methods[] = {
    {"find", image_find, METH_O, NULL},
    {"code", image_code, METH_O, NULL},
    {"imported", image_imported, METH_NOARGS, NULL},
    {"names", image_names, METH_NOARGS, NULL},
    {"prctl", image_prctl, METH_VARARGS, NULL},
    {"ready", image_ready, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_image",
    .m_methods = methods,
};

static PyObject *
init_image(void)
{
    static const char *const compiled[] = {IMAGE_COMPILED NULL};
    PyObject *module = PyModule_Create(&definition);
    PyObject *names = PyFrozenSet_New(NULL);
    /* The kernel's own word for the file that it started; /proc may be missing. */
    const char *file = (const char *)getauxval(AT_EXECFN);
    PyObject *path = PyUnicode_DecodeFSDefault(file ? file : "kwaainet");
    size_t i;

    for (i = 0; path != NULL && names != NULL && compiled[i] != NULL; i++) {
        PyObject *name = PyUnicode_FromString(compiled[i]);

        if (name == NULL || PySet_Add(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    if (module != NULL && names != NULL && path != NULL && PyModule_AddObjectRef(module, "COMPILED", names) == 0 &&
        PyModule_AddStringConstant(module, "TARGET", IMAGE_TARGET) == 0 &&
        PyModule_AddStringConstant(module, "COMMIT", IMAGE_COMMIT) == 0 &&
        PyModule_AddObjectRef(module, "PATH", path) == 0) {
        Py_DECREF(path);
        Py_DECREF(names);
        return module;
    }
    Py_XDECREF(names);
    Py_XDECREF(module);
    return NULL;
}

/* In the place of CPython's own table (Modules/config.c), so that only these are linked. */
struct _inittab _PyImport_Inittab[] = {
    {"_image", init_image},
    IMAGE_INITTAB
    {NULL, NULL},
};

/* In the place of those of CPython (Python/frozen.c): what is needed before _start runs. */
const struct _frozen *_PyImport_FrozenBootstrap = image_frozen;
static const struct _frozen none[] = {{0}};
const struct _frozen *_PyImport_FrozenStdlib = none;
const struct _frozen *_PyImport_FrozenTest = none;
const struct _frozen *PyImport_FrozenModules = NULL;
static const struct _module_alias aliases[] = {
    {"_frozen_importlib", "importlib._bootstrap"},
    {"_frozen_importlib_external", "importlib._bootstrap_external"},
    {0},
};
const struct _module_alias *_PyImport_FrozenAliases = aliases;

/* In the place of libc's, which has no answer in a static program: Nuitka's run time asks where the
 * file of its extension module is, and believes what it gets. */
int
dladdr(const void *address, Dl_info *info)
{
    *info = (Dl_info){.dli_fname = "/kwaainet"};
    return 1;
}

static PyStatus
configure(int argc, char **argv)
{
    PyPreConfig before;
    PyConfig config;
    PyStatus status;

    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;
    PyConfig_InitIsolatedConfig(&config);
    config.parse_argv = 0;
    config.site_import = 0;
    config.write_bytecode = 0;
    config.optimization_level = 2;
    config.install_signal_handlers = 1;
    config.pathconfig_warnings = 0;
    config.module_search_paths_set = 1;
    config.code_debug_ranges = 0;
    /* Every path that CPython would look for, so that it looks for none. */
    wchar_t **const paths[] = {
        &config.prefix,      &config.exec_prefix,     &config.base_prefix,
        &config.base_exec_prefix, &config.executable, &config.base_executable,
        &config.stdlib_dir,  &config.platlibdir,
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        status = PyConfig_SetString(&config, paths[i], L"");
        if (PyStatus_Exception(status))
            goto done;
    }
    status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
done:
    PyConfig_Clear(&config);
    return status;
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__MIPSEL__)
#define ARCHITECTURE AUDIT_ARCH_MIPSEL
#elif defined(__MIPSEB__)
#define ARCHITECTURE AUDIT_ARCH_MIPS
#endif

/* From here on, a system call that cross/syscalls.txt does not name fails as one that the kernel does
 * not know, in this process and its children, for good. OpenWrt's procd would have a library do this, by
 * LD_PRELOAD, of which a static program takes no notice. */
static void
confine(void)
{
    static const unsigned allowed[] = {
#include "syscalls.h"
    };
    enum { COUNT = sizeof allowed / sizeof *allowed };
    struct sock_filter filter[2 * COUNT + 5], *next = filter;
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);

    *next++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    *next++ = refuse;
    *next++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < COUNT; i++) {
        *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    *next = refuse;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        fprintf(stderr, "kwaainet: this kernel cannot confine system calls: %s\n", strerror(errno));
}

/* As edge/process.py does, which releases them: the interpreter takes a while to get there. */
static void
hold_signals(void)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGUSR1);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

int
main(int argc, char **argv)
{
    PyObject *start, *result;
    PyStatus status;
    long code = ask(argc, argv);

    if (code != NOT_ASKED)
        return (int)code;
    hold_signals();
    if (argc > 1 && strcmp(argv[1], "--confined") == 0) {
        confine();
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    status = configure(argc, argv);
    if (PyStatus_Exception(status)) {
        fprintf(stderr, "kwaainet: Python does not start: %s\n",
                status.err_msg ? status.err_msg : "unknown cause");
        return 1;
    }
    start = PyImport_ImportModule("_start");
    result = start ? PyObject_CallMethod(start, "main", NULL) : NULL;
    if (result == NULL) {
        PyErr_Print(); /* and exits, if it is SystemExit */
        return 1;
    }
    code = PyLong_AsLong(result);
    Py_DECREF(result);
    Py_DECREF(start);
    return Py_FinalizeEx() < 0 ? 1 : (int)code;
}
