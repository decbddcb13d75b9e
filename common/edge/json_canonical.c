/* json_canonical.c - a plain walk over the value into one growing buffer. */
#include "common/edge/json_canonical.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

static const json_int_t INTEGER_MAX = ((json_int_t)1 << 53) - 1;

struct writer {
    char *data;
    size_t size;
    size_t capacity;
    int rc; /* the first failure; later writes do nothing */
};

static void write_bytes(struct writer *writer, const void *bytes, size_t size)
{
    if (writer->rc < 0 || size == 0)
        return;
    if (writer->capacity - writer->size < size) {
        size_t capacity = 2 * writer->capacity + size + 1024;
        char *data = realloc(writer->data, capacity);
        if (!data) {
            writer->rc = -ENOMEM;
            return;
        }
        writer->data = data;
        writer->capacity = capacity;
    }
    memcpy(writer->data + writer->size, bytes, size);
    writer->size += size;
}

static void write_char(struct writer *writer, char byte)
{
    write_bytes(writer, &byte, 1);
}

static void write_constant(struct writer *writer, const char *text)
{
    write_bytes(writer, text, strlen(text));
}

/* RFC 8785, 3.2.2.2: what must be escaped, in its shortest form. */
static void write_text(struct writer *writer, const char *text, size_t size)
{
    static const char short_forms[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    write_char(writer, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        char escape[sizeof "\\u0000"];
        if (byte == '"' || byte == '\\') {
            write_bytes(writer, (char[]){'\\', (char)byte}, 2);
        } else if (byte >= 0x20) {
            write_char(writer, (char)byte);
        } else if (byte < sizeof short_forms && short_forms[byte]) {
            write_bytes(writer, (char[]){'\\', short_forms[byte]}, 2);
        } else {
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            write_constant(writer, escape);
        }
    }
    write_char(writer, '"');
}

static void write_integer(struct writer *writer, json_int_t value)
{
    char digits[32];
    if (value > INTEGER_MAX || value < -INTEGER_MAX) {
        writer->rc = writer->rc < 0 ? writer->rc : ERR_MALFORMED;
        return;
    }
    snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, value);
    write_constant(writer, digits);
}

/* A rank of UTF-8 bytes that orders text as its UTF-16 code units do. The two orders differ in one thing: characters
 * above U+FFFF (first byte 0xf0 and more; surrogates, so 0xd800 and more) come before U+E000..U+FFFF (first byte 0xee,
 * 0xef). */
static int utf16_rank(unsigned char byte)
{
    return byte == 0xee || byte == 0xef ? byte + 0x100 : byte;
}

static int name_compare(const void *left, const void *right)
{
    const char *a = *(const char *const *)left;
    const char *b = *(const char *const *)right;
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return utf16_rank((unsigned char)*a) - utf16_rank((unsigned char)*b);
}

static void write_value(struct writer *writer, json_t *value);

static void write_object(struct writer *writer, json_t *object)
{
    size_t count = 0;
    const char **names = calloc(json_object_size(object) + 1, sizeof *names);
    if (!names) {
        writer->rc = -ENOMEM;
        return;
    }
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
        names[count++] = json_object_iter_key(at);
    qsort(names, count, sizeof *names, name_compare);
    write_char(writer, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            write_char(writer, ',');
        write_text(writer, names[i], strlen(names[i]));
        write_char(writer, ':');
        write_value(writer, json_object_get(object, names[i]));
    }
    write_char(writer, '}');
    free(names);
}

static void write_array(struct writer *writer, json_t *array)
{
    write_char(writer, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            write_char(writer, ',');
        write_value(writer, json_array_get(array, i));
    }
    write_char(writer, ']');
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static void write_value(struct writer *writer, json_t *value)
{
    if (writer->rc < 0)
        return;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(writer, value);
        return;
    case JSON_ARRAY:
        write_array(writer, value);
        return;
    case JSON_STRING:
        write_text(writer, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        write_integer(writer, json_integer_value(value));
        return;
    case JSON_TRUE:
        write_constant(writer, "true");
        return;
    case JSON_FALSE:
        write_constant(writer, "false");
        return;
    case JSON_NULL:
        write_constant(writer, "null");
        return;
    case JSON_REAL:
        writer->rc = ERR_MALFORMED;
        return;
    }
}

int json_canonical(char **text, size_t *size, json_t *value)
{
    struct writer writer = {0};
    write_value(&writer, value);
    if (writer.rc < 0) {
        free(writer.data);
        return writer.rc;
    }
    *text = writer.data;
    *size = writer.size;
    return 0;
}
