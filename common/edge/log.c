/* log.c - one line per event.
 *
 * A line is built in a buffer on the stack and leaves in one write(2): lines of different threads never mix and a
 * crash loses nothing. What every line says (process, node) is prepared once, in the only mutable statics of the
 * common code.
 */
#include "common/edge/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/text.h"

const char *const log_level_names[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};

static const char CUT_MARK[] = " cut=true";

enum { IDENTITY_BYTES_MAX = 2 * LOG_NAME_BYTES_MAX + 16, CUT_BYTES = sizeof CUT_MARK };

static char identity[IDENTITY_BYTES_MAX] = "proc=-";
static atomic_int threshold = LOG_LEVEL_INFO;
static atomic_int output_fd = STDERR_FILENO;

void log_open(const char *process, const char *node, enum log_level level)
{
    if (node && node[0])
        snprintf(identity, sizeof identity, "proc=%.*s node=%.*s", LOG_NAME_BYTES_MAX, process, LOG_NAME_BYTES_MAX,
                 node);
    else
        snprintf(identity, sizeof identity, "proc=%.*s", LOG_NAME_BYTES_MAX, process);
    atomic_store(&threshold, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&output_fd, fd);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

static size_t line_begin(char *line, size_t size, enum log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    int length = snprintf(line, size, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s %s event=%s",
                          utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                          now.tv_nsec / 1000000, log_level_names[level], identity, event);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

/* A line is one line, whatever a field held. */
static void line_clean(char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f)
            line[i] = '?';
    }
}

PRINTF_LIKE(3, 0)
static void line_write(enum log_level level, const char *event, const char *format, va_list args)
{
    int saved_errno = errno;
    char line[LOG_LINE_BYTES_MAX + CUT_BYTES];
    size_t length = line_begin(line, LOG_LINE_BYTES_MAX, level, event);
    int fields = vsnprintf(line + length, LOG_LINE_BYTES_MAX - length, format, args);
    bool cut = fields > 0 && (size_t)fields >= LOG_LINE_BYTES_MAX - length;
    length = cut ? LOG_LINE_BYTES_MAX - 1 : length + (fields > 0 ? (size_t)fields : 0);
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line_clean(line, length);
    if (cut) {
        memcpy(line + length, CUT_MARK, sizeof CUT_MARK - 1);
        length += sizeof CUT_MARK - 1;
    }
    line[length++] = '\n';
    ssize_t written = write(atomic_load_explicit(&output_fd, memory_order_relaxed), line, length);
    (void)written;
    errno = saved_errno;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    line_write(level, event, format, args);
    va_end(args);
}

int log_failure(int rc, const char *what)
{
    log_error("daemon.failed", "what=%s error=\"%s\" rc=%d", what, err_text(rc), rc);
    return rc;
}

static uint64_t now_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* May this line pass? The window is reset by whichever thread sees first that it is over; a line more or less at that
 * moment does no harm. */
static bool limit_pass(struct log_limit *limit, uint64_t *suppressed)
{
    uint64_t now_ms = now_monotonic_ms();
    uint_fast64_t start_ms = atomic_load(&limit->window_start_ms);
    if ((start_ms == 0 || now_ms - start_ms >= LOG_LIMIT_INTERVAL_MS) &&
        atomic_compare_exchange_strong(&limit->window_start_ms, &start_ms, now_ms))
        atomic_store(&limit->written, 0);
    if (atomic_fetch_add(&limit->written, 1) >= LOG_LIMIT_LINES) {
        atomic_fetch_add(&limit->suppressed, 1);
        return false;
    }
    *suppressed = atomic_exchange(&limit->suppressed, 0);
    return true;
}

void log_write_limited(struct log_limit *limit, enum log_level level, const char *event, const char *format, ...)
{
    uint64_t suppressed = 0;
    if (!limit_pass(limit, &suppressed))
        return;
    char fields[LOG_LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(fields, sizeof fields, format, args);
    va_end(args);
    if (length < 0)
        return;
    if (suppressed > 0)
        log_write(level, event, " suppressed=%" PRIu64 "%s", suppressed, fields);
    else
        log_write(level, event, "%s", fields);
}

/* Length in bytes of the character at the start of `text` when it may stand in a line as it is, else 0. */
static size_t clean_char(struct span text)
{
    unsigned char c = text.data[0];
    if (c == '"' || c == '\\')
        return 0;
    size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return size <= text.size && text_is_clean(span_of(text.data, size)) ? size : 0;
}

/* Room kept for an escaped byte, the cut mark, the closing quote. */
enum { QUOTE_TAIL_BYTES = 4 + 2 + 1 };

const char *log_quote(struct log_text *out, struct span text)
{
    size_t length = 0;
    size_t position = 0;
    out->text[length++] = '"';
    while (position < text.size && length + QUOTE_TAIL_BYTES <= LOG_QUOTE_BYTES_MAX) {
        struct span rest = span_of(text.data + position, text.size - position);
        size_t size = clean_char(rest);
        if (size > 0) {
            memcpy(out->text + length, rest.data, size);
            length += size;
        } else if (rest.data[0] == '"' || rest.data[0] == '\\') {
            size = 1;
            out->text[length++] = '\\';
            out->text[length++] = (char)rest.data[0];
        } else {
            size = 1;
            length += (size_t)snprintf(out->text + length, 5, "\\x%02x", rest.data[0]);
        }
        position += size;
    }
    if (position < text.size) {
        out->text[length++] = '.';
        out->text[length++] = '.';
    }
    out->text[length++] = '"';
    out->text[length] = '\0';
    return out->text;
}

const char *log_hex(struct log_text *out, struct span bytes)
{
    size_t size = bytes.size < LOG_HEX_BYTES_MAX ? bytes.size : LOG_HEX_BYTES_MAX;
    hex_encode(out->text, bytes.data, size);
    if (bytes.size > size)
        memcpy(out->text + 2 * size, "..", 3);
    return out->text;
}
