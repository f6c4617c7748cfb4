// NVRTC's entry points over compiler.py: the "cubin" is a shared object for this processor, which the stand-in driver
// loads. What was compiled before comes from the emulator's cache without a new process.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

enum Result {
    SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6,
    NO_NAME_EXPRESSIONS_AFTER_COMPILATION = 8, NO_LOWERED_NAMES_BEFORE_COMPILATION = 9, NAME_EXPRESSION_NOT_VALID = 10,
    INTERNAL_ERROR = 11,
};

struct Program {
    std::string source, log, cubin, ptx;
    std::map<std::string, std::string> headers;
    std::vector<std::string> expressions;
    std::map<std::string, std::string> lowered;
    bool compiled;
};

#define API extern "C" __attribute__((visibility("default")))

static const int ARCHS[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

static std::string read(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

static void write(const std::string &path, const std::string &text) { std::ofstream(path, std::ios::binary) << text; }

static std::string setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

// A name for a compilation: 128 bits of FNV-1a.
static std::string name_of(const std::vector<std::string> &parts)
{
    unsigned long long a = 0xcbf29ce484222325, b = 0x84222325cbf29ce4;
    for (const std::string &part : parts)
        for (size_t i = 0; i <= part.size(); i++) {         // with the 0 that ends it
            a = (a ^ (unsigned char)part[i]) * 0x100000001b3;
            b = (b ^ (unsigned char)part[i]) * 0x10000000233 + i;
        }
    char text[40];
    snprintf(text, sizeof text, "%016llx%016llx", a, b);
    return text;
}

// Runs a command with its outputs in files; its exit status, or -1.
static int run(const std::vector<std::string> &command, const std::string &out, const std::string &errors)
{
    std::vector<char *> arguments;
    for (const std::string &part : command) arguments.push_back((char *)part.c_str());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), 01 | 0100 | 01000, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), 01 | 0100 | 01000, 0600);
    pid_t child;
    int status, failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

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
    *program = new Program{source, "", "", "", {}, {}, {}, false};
    for (int i = 0; i < n; i++) (*program)->headers[names[i]] = headers[i];
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

static void take(Program *program, const std::string &stem)
{
    program->cubin = read(stem + ".so");
    std::string names = read(stem + ".names");
    for (size_t at = 0; at < names.size();) {
        size_t tab = names.find('\t', at), end = names.find('\n', at);
        program->lowered[names.substr(at, tab - at)] = names.substr(tab + 1, end - tab - 1);
        at = end + 1;
    }
}

API int nvrtcCompileProgram(Program *program, int n, const char *const *options)
{
    if (!program) return INVALID_PROGRAM;
    std::string cache = setting("THALWEG_STANDIN_CACHE"), python = setting("THALWEG_STANDIN_PYTHON");
    if (cache.empty() || python.empty()) {
        program->log = "the stand-in NVRTC is used without standin.driver.install()";
        return INTERNAL_ERROR;
    }
    std::vector<std::string> key = {program->source}, arguments;
    for (int i = 0; i < n; i++) {
        std::string option = options[i];
        if ((!option.rfind("--gpu-architecture=", 0) || !option.rfind("-arch=", 0)) && !knows_arch(option)) {
            program->log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
            return INVALID_OPTION;
        }
        arguments.push_back(option);
    }
    for (auto &header : program->headers) key.insert(key.end(), {header.first, header.second});
    for (const std::string &expression : program->expressions)
        arguments.insert(arguments.end(), {"--name", expression});
    key.insert(key.end(), arguments.begin(), arguments.end());
    std::string stem = cache + "/nvrtc-" + name_of(key);
    if (access((stem + ".names").c_str(), R_OK)) {
        std::string mine = stem + "." + std::to_string(getpid()), folder = mine + ".include";
        write(mine + ".cu", program->source);
        if (!program->headers.empty()) {
            arguments.push_back("-I" + folder);
            run({"mkdir", "-p", folder}, "/dev/null", "/dev/null");
        }
        for (auto &header : program->headers) write(folder + "/" + header.first, header.second);
        std::vector<std::string> command = {python, STANDIN_COMPILER, mine + ".cu", mine + ".so"};
        command.insert(command.end(), arguments.begin(), arguments.end());
        int status = run(command, mine + ".names", mine + ".log");
        program->log = read(mine + ".log");
        unlink((mine + ".cu").c_str());
        unlink((mine + ".log").c_str());
        if (status) {
            unlink((mine + ".names").c_str());
            return status == 2 ? INVALID_OPTION : status == 1 ? COMPILATION : INTERNAL_ERROR;
        }
        if (rename((mine + ".so").c_str(), (stem + ".so").c_str())) return INTERNAL_ERROR;
        if (rename((mine + ".names").c_str(), (stem + ".names").c_str())) return INTERNAL_ERROR;
    }
    take(program, stem);
    program->ptx = "// from thalweg's stand-in, which has no PTX\n.version 9.0\n";
    program->compiled = true;
    return SUCCESS;
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
