/* In the place of CPython's parser and compiler, a tenth of the file: the image holds code objects.
 *
 * These are all the names by which the rest of the interpreter knows them. What would compile
 * raises RuntimeError; the rest is what those modules define besides.
 */
#define NEED_OPCODE_METADATA
#define Py_BUILD_CORE
#include <Python.h>
#include <internal/pycore_opcode_metadata.h>

static void *
refuse(void)
{
    PyErr_SetString(PyExc_RuntimeError, "this program cannot compile source code");
    return NULL;
}

void *_PyParser_ASTFromString(void) { return refuse(); }
void *_PyParser_ASTFromFile(void) { return refuse(); }
void *_PyParser_InteractiveASTFromFile(void) { return refuse(); }
void *_PyAST_Compile(void) { return refuse(); }
void *PyAST_mod2obj(void) { return refuse(); }
void *PyAST_obj2mod(void) { return refuse(); }
char *PyOS_Readline(FILE *in, FILE *out, const char *prompt) { return refuse(); }
char *_PyTokenizer_FindEncodingFilename(int fd, PyObject *filename) { return NULL; }
int PyAST_Check(PyObject *object) { return 0; }
int _PyAST_Validate(void) { refuse(); return 0; }
int _PyCompile_AstOptimize(void) { refuse(); return -1; }
int PyCompile_OpcodeStackEffect(int opcode, int oparg) { return PY_INVALID_STACK_EFFECT; }
void _PyAST_Fini(PyInterpreterState *interpreter) {}
int (*PyOS_InputHook)(void) = NULL;

/* Made ready at the start with all other types; no object has them. */
PyTypeObject PySTEntry_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "symtable entry",
    .tp_basicsize = sizeof(PyObject),
};
PyTypeObject _PyInstructionSequence_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "InstructionSequence",
    .tp_basicsize = sizeof(PyObject),
};

/* Classes with __slots__ need it: the name of a private attribute (Language Reference, 6.2.1). */
PyObject *
_Py_Mangle(PyObject *class_name, PyObject *name)
{
    Py_ssize_t size = PyUnicode_GET_LENGTH(name);
    Py_ssize_t strip = 0;
    Py_ssize_t class_size;
    PyObject *stripped, *mangled;

    if (class_name == NULL || !PyUnicode_Check(class_name) || size < 2 ||
        PyUnicode_READ_CHAR(name, 0) != '_' || PyUnicode_READ_CHAR(name, 1) != '_' ||
        (PyUnicode_READ_CHAR(name, size - 1) == '_' && PyUnicode_READ_CHAR(name, size - 2) == '_') ||
        PyUnicode_FindChar(name, '.', 0, size, 1) >= 0)
        return Py_NewRef(name);
    class_size = PyUnicode_GET_LENGTH(class_name);
    while (strip < class_size && PyUnicode_READ_CHAR(class_name, strip) == '_')
        strip++;
    if (strip == class_size)
        return Py_NewRef(name);
    stripped = PyUnicode_Substring(class_name, strip, class_size);
    mangled = stripped ? PyUnicode_FromFormat("_%U%U", stripped, name) : NULL;
    Py_XDECREF(stripped);
    return mangled;
}
