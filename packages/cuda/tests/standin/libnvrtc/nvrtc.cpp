// NVRTC's entry points over nvrtc.py, which runs in the Python process that asks: the "cubin" is a shared object for this
// processor, which the stand-in driver loads.
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

enum Result {
    SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6,
    NO_NAME_EXPRESSIONS_AFTER_COMPILATION = 8, NO_LOWERED_NAMES_BEFORE_COMPILATION = 9, NAME_EXPRESSION_NOT_VALID = 10,
    INTERNAL_ERROR = 11,
};

struct Program {
    std::string source, log, cubin, ptx;
    std::vector<std::string> header_names, headers, expressions;
    std::map<std::string, std::string> lowered;
    bool compiled;
};

#define API extern "C" __attribute__((visibility("default")))

static const int ARCHS[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

API int nvrtcVersion(int *major, int *minor)
{
    *major = 13;
    *minor = 0;
    return SUCCESS;
}

API int nvrtcGetNumSupportedArchs(int *n)
{
    *n = sizeof ARCHS / sizeof *ARCHS;
    return SUCCESS;
}

API int nvrtcGetSupportedArchs(int *archs)
{
    memcpy(archs, ARCHS, sizeof ARCHS);
    return SUCCESS;
}

API const char *nvrtcGetErrorString(int result)
{
    static const char *const names[] = {
        "NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
        "NVRTC_ERROR_INVALID_INPUT", "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION",
        "NVRTC_ERROR_COMPILATION",
        "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE", "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
        "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION", "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
        "NVRTC_ERROR_INTERNAL_ERROR"};
    return result < 0 || result > INTERNAL_ERROR ? "NVRTC_ERROR unknown" : names[result];
}

API int nvrtcCreateProgram(Program **program, const char *source, const char *, int n, const char *const *headers,
                           const char *const *names)
{
    if (!program || !source) return INVALID_INPUT;
    *program = new Program{source, "", "", "", {names, names + n}, {headers, headers + n}, {}, {}, false};
    return SUCCESS;
}

API int nvrtcDestroyProgram(Program **program)
{
    if (!program || !*program) return INVALID_PROGRAM;
    delete *program;
    *program = nullptr;
    return SUCCESS;
}

API int nvrtcAddNameExpression(Program *program, const char *expression)
{
    if (!program) return INVALID_PROGRAM;
    if (program->compiled) return NO_NAME_EXPRESSIONS_AFTER_COMPILATION;
    program->expressions.push_back(expression);
    return SUCCESS;
}

// Whether an architecture is one that NVRTC 13 has; others, as Volta's, it refuses.
static bool knows_arch(const std::string &option)
{
    size_t at = option.find('=');
    std::string value = at == std::string::npos ? "" : option.substr(at + 1);
    size_t digits = value.find_first_of("0123456789");
    if (value.rfind("sm_", 0) && value.rfind("compute_", 0)) return false;
    int number = digits == std::string::npos ? 0 : std::stoi(value.substr(digits));
    for (int arch : ARCHS)
        if (arch == number) return true;
    return false;
}

static PyObject *list_of(const std::vector<std::string> &texts)
{
    PyObject *list = PyList_New(0);
    for (const std::string &text : texts) {
        PyObject *item = PyUnicode_FromString(text.c_str());
        PyList_Append(list, item);
        Py_DecRef(item);
    }
    return list;
}

static std::string text_of(PyObject *bytes)
{
    char *data = nullptr;
    Py_ssize_t n = 0;
    PyBytes_AsStringAndSize(bytes, &data, &n);
    return {data, (size_t)n};
}

// nvrtc.compiled, run by its path: what Python imports by name is no concern of ours. Python's lock is held.
static PyObject *compiler(void)
{
    static PyObject *function;
    if (!function) {
        PyObject *runpy = PyImport_ImportModule("runpy");
        PyObject *names = runpy ? PyObject_CallMethod(runpy, "run_path", "s", STANDIN_COMPILER) : nullptr;
        function = names ? PyDict_GetItemString(names, "compiled") : nullptr;          // the names are kept for good
        Py_DecRef(runpy);
    }
    return function;
}

// Answers are (status, log, cubin, "expression\tname\n" ...), all bytes.
static int take(Program *program, PyObject *answer)
{
    int status = std::stoi(text_of(PyTuple_GetItem(answer, 0)));
    program->log = text_of(PyTuple_GetItem(answer, 1));
    program->cubin = text_of(PyTuple_GetItem(answer, 2));
    std::string names = text_of(PyTuple_GetItem(answer, 3));
    for (size_t at = 0; at < names.size();) {
        size_t tab = names.find('\t', at), end = names.find('\n', at);
        program->lowered[names.substr(at, tab - at)] = names.substr(tab + 1, end - tab - 1);
        at = end + 1;
    }
    program->ptx = "// from thalweg's stand-in, which has no PTX\n.version 9.0\n";
    program->compiled = status == SUCCESS;
    return status;
}

API int nvrtcCompileProgram(Program *program, int n, const char *const *options)
{
    if (!program) return INVALID_PROGRAM;
    for (int i = 0; i < n; i++) {
        std::string option = options[i];
        if ((!option.rfind("--gpu-architecture=", 0) || !option.rfind("-arch=", 0)) && !knows_arch(option)) {
            program->log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
            return INVALID_OPTION;
        }
    }
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *function = compiler(), *answer = nullptr;
    if (function)
        answer = PyObject_CallFunction(function, "sNNNN", program->source.c_str(), list_of({options, options + n}),
                                       list_of(program->expressions), list_of(program->header_names),
                                       list_of(program->headers));
    if (!answer) {
        PyErr_Print();
        program->log = "the stand-in's compiler failed: see above\n";
    }
    int status = answer ? take(program, answer) : INTERNAL_ERROR;
    Py_DecRef(answer);
    PyGILState_Release(lock);
    return status;
}

API int nvrtcGetLoweredName(Program *program, const char *expression, const char **name)
{
    if (!program) return INVALID_PROGRAM;
    if (!program->compiled) return NO_LOWERED_NAMES_BEFORE_COMPILATION;
    auto found = program->lowered.find(expression);
    if (found == program->lowered.end()) return NAME_EXPRESSION_NOT_VALID;
    *name = found->second.c_str();
    return SUCCESS;
}

static int give(const std::string &text, char *to, size_t bytes)
{
    memcpy(to, text.c_str(), bytes);
    return SUCCESS;
}

// Sizes of texts count the 0 that ends them.
#define OUTPUT(name, field, more, is_there)                                                                          \
    API int nvrtcGet##name##Size(Program *p, size_t *n)                                                              \
    {                                                                                                                \
        return p && is_there ? (*n = p->field.size() + more, SUCCESS) : INVALID_PROGRAM;                             \
    }                                                                                                                \
    API int nvrtcGet##name(Program *p, char *to)                                                                     \
    {                                                                                                                \
        return p && is_there ? give(p->field, to, p->field.size() + more) : INVALID_PROGRAM;                         \
    }
OUTPUT(CUBIN, cubin, 0, p->compiled)
OUTPUT(PTX, ptx, 1, p->compiled)
OUTPUT(ProgramLog, log, 1, true)
