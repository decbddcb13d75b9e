/* json.c - the depth is judged by one pass over the bytes before Jansson sees them: its parser recurses. */
#include "common/edge/json.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/err.h"

/* Index behind the text's closing quote, `at` being behind the opening one; size when it does not end. */
static size_t string_skip(struct span text, size_t at)
{
    while (at < text.size) {
        uint8_t byte = text.data[at++];
        if (byte == '"')
            return at;
        if (byte == '\\')
            at++;
    }
    return text.size;
}

/* Does nothing nest deeper than depth_max? Only for text that Jansson parses afterwards: what is no JSON may pass. */
static bool depth_is_good(struct span text, uint32_t depth_max)
{
    uint32_t depth = 0;
    for (size_t at = 0; at < text.size;) {
        uint8_t byte = text.data[at++];
        if (byte == '"') {
            at = string_skip(text, at);
        } else if (byte == '{' || byte == '[') {
            if (++depth > depth_max)
                return false;
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* Jansson's words may quote the input; these do not. */
static const char *error_what(enum json_error_code code)
{
    switch (code) {
    case json_error_invalid_utf8:
        return "bad UTF-8";
    case json_error_premature_end_of_input:
        return "ends too early";
    case json_error_end_of_input_expected:
        return "something follows the object";
    case json_error_duplicate_key:
        return "two members of one name";
    case json_error_numeric_overflow:
        return "number out of range";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "U+0000 in text";
    case json_error_invalid_syntax:
    case json_error_invalid_format:
    case json_error_wrong_type:
    case json_error_null_value:
    case json_error_item_not_found:
    case json_error_index_out_of_range:
    case json_error_stack_overflow:
    case json_error_invalid_argument:
    case json_error_cannot_open_file:
    case json_error_out_of_memory:
    case json_error_unknown:
        break;
    }
    return "not JSON";
}

int json_parse_explained(json_t **out, struct span text, uint32_t depth_max, struct json_fault *fault)
{
    assert(depth_max >= 1 && depth_max <= JSON_DEPTH_MAX);
    *fault = (struct json_fault){.what = NULL};
    if (text.size == 0) {
        fault->what = "empty";
    } else if (memchr(text.data, '\0', text.size)) {
        fault->what = "a zero byte";
    } else if (!depth_is_good(text, depth_max)) {
        fault->what = "nested too deep";
    }
    if (fault->what)
        return ERR_MALFORMED;

    json_error_t error;
    CLEANUP(json_cleanup)
    json_t *value = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (!value && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (!value) {
        *fault = (struct json_fault){
            .line = error.line, .column = error.column, .what = error_what(json_error_code(&error))};
        return ERR_MALFORMED;
    }
    if (!json_is_object(value)) {
        fault->what = "not an object";
        return ERR_MALFORMED;
    }
    *out = TAKE(value);
    return 0;
}

int json_parse_strict(json_t **out, struct span text, uint32_t depth_max)
{
    struct json_fault fault;
    return json_parse_explained(out, text, depth_max, &fault);
}
