/* log.h - one line per event, key=value, to stderr.
 *
 *   ts=2026-11-21T04:11:07.123Z level=info proc=ingestd node=v1 event=block.committed height=7 txs=3
 *
 *   log_info("block.committed", "height=%" PRIu64 " txs=%u", height, count);
 *   log_info("daemon.stopping");
 *
 * The event name is a constant; the fields are `key=value` pairs. Numbers and constant words stand as they are; text
 * that came from outside goes through LOG_QUOTE(). Never log keys, payloads or secrets.
 *
 * Pure: no. Ownership: nothing is kept but what log_open() copies. Threads: every function may be called from any
 * thread; each line is one write(2), so lines do not mix. log_open() is called once, before other threads start.
 */
#pragma once

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum {
    LOG_LINE_BYTES_MAX = 4096,     /* longer lines are cut and end with ` cut=true` */
    LOG_NAME_BYTES_MAX = 64,       /* process and node name */
    LOG_QUOTE_BYTES_MAX = 256,     /* quoted text, quotes included; longer text is cut and ends with `..` */
    LOG_HEX_BYTES_MAX = 32,        /* bytes shown by log_hex */
    LOG_LIMIT_LINES = 5,           /* lines of one log_limit ... */
    LOG_LIMIT_INTERVAL_MS = 10000, /* ... in this time */
};

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* "debug", "info", "warn", "error": in the order of enum log_level, for a configuration key of type enum. */
enum { LOG_LEVEL_COUNT = 4 };
extern const char *const log_level_names[LOG_LEVEL_COUNT];

/* Set what every line says. Text is copied and cut at LOG_NAME_BYTES_MAX; node may be NULL or "" (the field is left
 * out). Before the first call lines have process "-" and level info. May be called again (same thread rules). */
void log_open(const char *process, const char *node, enum log_level level);

/* Write to another descriptor than 2; for tests. The descriptor stays the caller's. */
void log_set_fd(int fd);

/* Is a line of this level written? Use it before costly preparations. */
bool log_enabled(enum log_level level);

/* Write one line. `format` begins with one space: the macros below add it. Control characters in the result become
 * `?`. A failed write is ignored: there is nowhere to say it. errno is kept. */
void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

/* log_info(event) or log_info(event, format, ...): arguments are evaluated only when the level is on. */
#define log_debug(event, ...) LOG_LINE_(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) LOG_LINE_(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_LINE_(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_LINE_(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define LOG_LINE_(level, event, ...) (log_enabled(level) ? log_write((level), (event), " " __VA_ARGS__) : (void)0)

/* Log `event=daemon.failed what=<what> error="<err_text(rc)>" rc=<rc>` at level error and return rc, so that
 * `return log_failure(rc, "start")` ends a function. */
int log_failure(int rc, const char *what);

/* A limit on lines that outside input can cause. Lives in the object of its owner; all zero is ready for use. After
 * LOG_LIMIT_LINES lines in LOG_LIMIT_INTERVAL_MS further ones are only counted; the next line that passes carries
 * ` suppressed=<count>`. */
struct log_limit {
    atomic_uint_fast64_t window_start_ms;
    atomic_uint_fast64_t written;
    atomic_uint_fast64_t suppressed;
};

/* As log_write, under the limit. */
void log_write_limited(struct log_limit *limit, enum log_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* log_limited(&self->bad_frames, LOG_LEVEL_WARN, "frame.bad", "peer=%s", name); */
#define log_limited(limit, level, event, ...)                                                                          \
    (log_enabled(level) ? log_write_limited((limit), (level), (event), " " __VA_ARGS__) : (void)0)

/* Room for one quoted text. */
struct log_text {
    char text[LOG_QUOTE_BYTES_MAX + 1];
};

/* Put text from outside into quotes: `"` and `\` get a backslash, bytes outside 0x20..0x7e become \xNN, except valid
 * UTF-8 text above U+009F, which stays. Bounded by LOG_QUOTE_BYTES_MAX. Returns out->text. */
const char *log_quote(struct log_text *out, struct span text);

/* Lower-case hexadecimal of the first LOG_HEX_BYTES_MAX bytes; `..` follows when there are more. Returns out->text. */
const char *log_hex(struct log_text *out, struct span bytes);

/* The same with room that lives until the end of the enclosing block. */
#define LOG_QUOTE(span) log_quote(&(struct log_text){{0}}, (span))
#define LOG_QUOTE_TEXT(text) log_quote(&(struct log_text){{0}}, span_text(text))
#define LOG_HEX(span) log_hex(&(struct log_text){{0}}, (span))
#define LOG_HASH(hash) log_hex(&(struct log_text){{0}}, span_of((hash)->bytes, HASH_BYTES))
