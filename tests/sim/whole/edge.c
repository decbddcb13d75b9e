/* edge.c - the small edges: the admin listener, key files, the genesis file, the log.
 *
 * log.h and genesis_file.h keep their pure parts: the linker puts these functions in the place of the others (--wrap).
 */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/err.h"
#include "common/edge/admin.h"
#include "common/edge/keyfile.h"
#include "common/edge/log.h"
#include "tests/sim/whole/bus.h"
#include "tests/sim/whole/world.h"

/* --- the log: lines of the trace, and why a process failed -------------------------------------------------------- */

bool __wrap_log_enabled(enum log_level level);
void __wrap_log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
void __wrap_log_write_limited(struct log_limit *limit, enum log_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(4, 5);
int __wrap_log_failure(int rc, const char *what);
int __wrap_genesis_file_load(const char *path, struct genesis **out);

static void print_where(void)
{
    const struct process *process = world.current;
    printf("%10.3f ", (double)world_now_us() / 1000);
    if (process)
        printf("v%" PRIu32 ".%-10s ", process->validator, stage_names[process->stage]);
    else
        printf("%-14s", "");
}

void trace_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_where();
    printf("** ");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

bool __wrap_log_enabled(enum log_level level)
{
    return world.trace || level >= LOG_LEVEL_ERROR;
}

static void note(enum log_level level, const char *event, const char *format, va_list args)
{
    char line[sizeof world.current->failure];
    int used = snprintf(line, sizeof line, "%s", event);
    vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    if (world.trace) {
        print_where();
        printf("%s %s\n", log_level_names[level], line);
    }
    if (world.current && level == LOG_LEVEL_ERROR)
        memcpy(world.current->failure, line, sizeof line);
}

void __wrap_log_write(enum log_level level, const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(level, event, format, args);
    va_end(args);
}

void __wrap_log_write_limited(struct log_limit *limit, enum log_level level, const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (world.trace) /* none of these ends a process */
        note(level < LOG_LEVEL_ERROR ? level : LOG_LEVEL_WARN, event, format, args);
    va_end(args);
}

int __wrap_log_failure(int rc, const char *what)
{
    __wrap_log_write(LOG_LEVEL_ERROR, "daemon.failed", " what=\"%s\" error=\"%s\"", what, err_text(rc));
    return rc;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

int keyfile_read(const char *path, uint8_t out[static KEYFILE_KEY_BYTES])
{
    stages_key(out, path);
    return 0;
}

int __wrap_genesis_file_load(const char *path, struct genesis **out)
{
    struct genesis *genesis = must(malloc(sizeof *genesis));
    *genesis = world.genesis;
    genesis->producers = must(malloc(genesis->producer_count * sizeof *genesis->producers));
    memcpy(genesis->producers, world.genesis.producers, genesis->producer_count * sizeof *genesis->producers);
    *out = genesis;
    return 0;
}

/* --- the admin listener: what is shown is judged ------------------------------------------------------------------ */

struct admin {
    uint64_t ready; /* by condition */
};

int admin_new(struct admin **out, const struct admin_options *options)
{
    *out = must(calloc(1, sizeof **out));
    return 0;
}

void admin_destroy(struct admin **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

void admin_beat(struct admin *self)
{
}

void admin_ready_set(struct admin *self, size_t index, bool ok, const char *detail)
{
    uint64_t bit = UINT64_C(1) << index;
    if (world.trace && ok != ((self->ready & bit) != 0))
        trace_line("condition %zu ok=%d %s", index, ok, detail ? detail : "");
    self->ready = ok ? self->ready | bit : self->ready & ~bit;
}

void admin_status_set_u64(struct admin *self, const char *name, uint64_t value)
{
    judge_shown(world.current, name, value);
}

void admin_status_set_text(struct admin *self, const char *name, const char *text)
{
}
