/* config_value.c - one value of the configuration.
 *
 * A table of types gives each its reader. Readers check first and write last, so a refused value leaves no trace.
 */
#include "common/edge/config_value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/span.h"
#include "common/base/text.h"
#include "common/edge/bus_endpoint.h"

enum { NAME_BYTES_MAX = 255, PATH_BYTES_MAX = 4095, HOST_BYTES_MAX = 253, PORT_MAX = 65535 };

static const char DIGITS[] = "0123456789";
static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* --- numbers ------------------------------------------------------------------------------------------------------ */

struct unit {
    const char *name;
    uint64_t factor;
};

/* From the largest, the last one is 1: so the first that divides a number shows it. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
static const struct unit no_unit[] = {{"", 1}};

struct units {
    const struct unit *units;
    size_t count;
};

static struct units units_of(enum config_type type)
{
    if (type == CONFIG_DURATION)
        return (struct units){duration_units, ARRAY_COUNT(duration_units)};
    if (type == CONFIG_SIZE)
        return (struct units){size_units, ARRAY_COUNT(size_units)};
    return (struct units){no_unit, ARRAY_COUNT(no_unit)};
}

static bool digits_read(uint64_t *out, const char *text, size_t length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
            return false;
    }
    *out = number;
    return length > 0;
}

static int number_parse(void *member, const struct config_key *key, const char *value)
{
    struct units units = units_of(key->type);
    size_t length = strspn(value, DIGITS);
    uint64_t number = 0;
    if (!digits_read(&number, value, length))
        return ERR_CONFIG;
    size_t unit = 0;
    while (unit < units.count && strcmp(value + length, units.units[unit].name) != 0)
        unit++;
    if (unit == units.count || __builtin_mul_overflow(number, units.units[unit].factor, &number))
        return ERR_CONFIG;
    if (number < key->min || number > key->max)
        return ERR_CONFIG;
    memcpy(member, &number, sizeof number);
    return 0;
}

static struct unit number_unit(uint64_t number, enum config_type type)
{
    struct units units = units_of(type);
    size_t unit = number == 0 ? units.count - 1 : 0;
    while (number % units.units[unit].factor != 0)
        unit++;
    return units.units[unit];
}

static int boolean_parse(void *member, const struct config_key *key, const char *value)
{
    bool truth = strcmp(value, "true") == 0;
    if (!truth && strcmp(value, "false") != 0)
        return ERR_CONFIG;
    memcpy(member, &truth, sizeof truth);
    return 0;
}

static int choice_parse(void *member, const struct config_key *key, const char *value)
{
    for (size_t i = 0; i < key->choice_count; i++) {
        if (strcmp(value, key->choices[i]) == 0) {
            int index = (int)i;
            memcpy(member, &index, sizeof index);
            return 0;
        }
    }
    return ERR_CONFIG;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int hex32_parse(void *member, const struct config_key *key, const char *value)
{
    struct config_hex32 result = {.is_set = true};
    if (strlen(value) != 2 * sizeof result.bytes)
        return ERR_CONFIG;
    for (size_t i = 0; i < sizeof result.bytes; i++) {
        int high = hex_digit(value[2 * i]);
        int low = hex_digit(value[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_CONFIG;
        result.bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(member, &result, sizeof result);
    return 0;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

static int text_store(void *member, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    memcpy(member, &copy, sizeof(char *));
    return 0;
}

static uint64_t limit_of(const struct config_key *key)
{
    if (key->max > 0)
        return key->max;
    return key->type == CONFIG_LIST   ? CONFIG_LIST_COUNT_MAX
           : key->type == CONFIG_NAME ? NAME_BYTES_MAX
                                      : CONFIG_TEXT_BYTES_MAX;
}

static int text_parse(void *member, const struct config_key *key, const char *value)
{
    size_t length = strlen(value);
    if (length < key->min || length > limit_of(key) || !text_is_clean(span_text(value)))
        return ERR_CONFIG;
    return text_store(member, value);
}

static bool is_made_of(const char *text, size_t length, const char *more)
{
    for (size_t i = 0; i < length; i++) {
        if (!text[i] || (!strchr(LETTERS, text[i]) && !strchr(DIGITS, text[i]) && !strchr(more, text[i])))
            return false;
    }
    return length > 0;
}

static int name_parse(void *member, const struct config_key *key, const char *value)
{
    return is_made_of(value, strlen(value), ".-_") ? text_parse(member, key, value) : ERR_CONFIG;
}

static int path_parse(void *member, const struct config_key *key, const char *value)
{
    size_t length = strlen(value);
    if (length == 0 || length > PATH_BYTES_MAX || !text_is_clean(span_text(value)))
        return ERR_CONFIG;
    return text_store(member, value);
}

static int file_parse(void *member, const struct config_key *key, const char *value)
{
    struct stat status;
    if (stat(value, &status) < 0 || !S_ISREG(status.st_mode) || access(value, R_OK) < 0)
        return ERR_CONFIG;
    return path_parse(member, key, value);
}

static int endpoint_parse(void *member, const struct config_key *key, const char *value)
{
    struct bus_endpoint endpoint;
    return bus_endpoint_parse(&endpoint, value) < 0 ? ERR_CONFIG : text_store(member, value);
}

static int hostport_parse(void *member, const struct config_key *key, const char *value)
{
    const char *colon = strrchr(value, ':');
    if (!colon)
        return ERR_CONFIG;
    size_t host_length = (size_t)(colon - value);
    bool bracketed = host_length > 2 && value[0] == '[' && colon[-1] == ']';
    bool host_ok = bracketed ? is_made_of(value + 1, host_length - 2, ":.%-_") : is_made_of(value, host_length, ".-_");
    uint64_t port = 0;
    size_t port_length = strlen(colon + 1);
    if (!host_ok || host_length > HOST_BYTES_MAX || strspn(colon + 1, DIGITS) != port_length || port_length > 5 ||
        !digits_read(&port, colon + 1, port_length) || port > PORT_MAX)
        return ERR_CONFIG;
    return text_store(member, value);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static void list_free(struct config_list *list)
{
    free(list->items);
    free(list->text);
    *list = (struct config_list){0};
}

/* Cut `rest`, a copy of the list, into its items. */
static int list_split(struct config_list *list, char *rest)
{
    for (size_t i = 0; i < list->count; i++) {
        rest += strspn(rest, " ");
        char *comma = strchrnul(rest, ',');
        size_t length = (size_t)(comma - rest);
        while (length > 0 && rest[length - 1] == ' ')
            length--;
        if (length == 0)
            return ERR_CONFIG;
        list->items[i] = rest;
        rest[length] = '\0';
        rest = comma + 1;
    }
    return 0;
}

static int list_parse(void *member, const struct config_key *key, const char *value)
{
    struct config_list list = {.count = 1};
    for (const char *c = value; *c; c++)
        list.count += *c == ',';
    if (list.count < key->min || list.count > limit_of(key) || !text_is_clean(span_text(value)))
        return ERR_CONFIG;
    size_t pointers_bytes = list.count * sizeof(char *);
    size_t text_bytes = strlen(value) + 1;
    list.text = strdup(value);
    list.items = malloc(pointers_bytes + text_bytes); /* the copy that is cut stands behind the pointers */
    int rc = -ENOMEM;
    if (list.text && list.items) {
        char *copy = (char *)list.items + pointers_bytes;
        memcpy(copy, value, text_bytes);
        rc = list_split(&list, copy);
    }
    if (rc < 0) {
        list_free(&list);
        return rc;
    }
    memcpy(member, &list, sizeof list);
    return 0;
}

/* --- the table of types ------------------------------------------------------------------------------------------- */

static int (*const parsers[CONFIG_TYPE_COUNT])(void *, const struct config_key *, const char *) = {
    [CONFIG_TEXT] = text_parse,       [CONFIG_NAME] = name_parse,         [CONFIG_INTEGER] = number_parse,
    [CONFIG_BOOLEAN] = boolean_parse, [CONFIG_DURATION] = number_parse,   [CONFIG_SIZE] = number_parse,
    [CONFIG_CHOICE] = choice_parse,   [CONFIG_HEX32] = hex32_parse,       [CONFIG_FILE] = file_parse,
    [CONFIG_PATH] = path_parse,       [CONFIG_ENDPOINT] = endpoint_parse, [CONFIG_HOSTPORT] = hostport_parse,
    [CONFIG_LIST] = list_parse,
};

int config_value_parse(void *member, const struct config_key *key, const char *value)
{
    assert((size_t)key->type < CONFIG_TYPE_COUNT);
    assert(key->max > 0 || (key->type != CONFIG_INTEGER && key->type != CONFIG_DURATION && key->type != CONFIG_SIZE));
    if (strnlen(value, CONFIG_VALUE_BYTES_MAX + 1) > CONFIG_VALUE_BYTES_MAX)
        return ERR_CONFIG;
    return parsers[key->type](member, key, value);
}

static void wants_choice(char *out, const struct config_key *key)
{
    size_t length = (size_t)snprintf(out, CONFIG_VALUE_WANTS_BYTES_MAX, "one of");
    for (size_t i = 0; i < key->choice_count && length < CONFIG_VALUE_WANTS_BYTES_MAX; i++)
        length += (size_t)snprintf(out + length, CONFIG_VALUE_WANTS_BYTES_MAX - length, "%s %s", i > 0 ? "," : "",
                                   key->choices[i]);
}

static void wants_number(char *out, const struct config_key *key)
{
    const char *kind = key->type == CONFIG_DURATION ? "a duration with its unit, as 500ms,"
                       : key->type == CONFIG_SIZE   ? "a size with its unit, as 10MiB,"
                                                    : "a whole number";
    struct unit min = number_unit(key->min, key->type);
    struct unit max = number_unit(key->max, key->type);
    snprintf(out, CONFIG_VALUE_WANTS_BYTES_MAX, "%s from %" PRIu64 "%s to %" PRIu64 "%s%s%s", kind,
             key->min / min.factor, min.name, key->max / max.factor, max.name, key->unit ? " " : "",
             key->unit ? key->unit : "");
}

void config_value_wants(char out[static CONFIG_VALUE_WANTS_BYTES_MAX], const struct config_key *key)
{
    const size_t size = CONFIG_VALUE_WANTS_BYTES_MAX;
    switch (key->type) {
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        wants_number(out, key);
        return;
    case CONFIG_CHOICE:
        wants_choice(out, key);
        return;
    case CONFIG_TEXT:
        snprintf(out, size, "a text of %" PRIu64 " to %" PRIu64 " bytes without control characters", key->min,
                 limit_of(key));
        return;
    case CONFIG_NAME:
        snprintf(out, size, "a name of %" PRIu64 " to %" PRIu64 " letters, digits, dots, dashes and underscores",
                 key->min > 0 ? key->min : 1, limit_of(key));
        return;
    case CONFIG_LIST:
        snprintf(out, size, "%" PRIu64 " to %" PRIu64 " texts between commas, none empty", key->min > 0 ? key->min : 1,
                 limit_of(key));
        return;
    case CONFIG_BOOLEAN:
        snprintf(out, size, "true or false");
        return;
    case CONFIG_HEX32:
        snprintf(out, size, "32 bytes as 64 hex digits");
        return;
    case CONFIG_FILE:
        snprintf(out, size, "the path of a file that exists and can be read");
        return;
    case CONFIG_PATH:
        snprintf(out, size, "a path of at most %d bytes", PATH_BYTES_MAX);
        return;
    case CONFIG_ENDPOINT:
        snprintf(out, size, "ipc://path (at most 107 bytes) or tcp://host:port");
        return;
    case CONFIG_HOSTPORT:
        snprintf(out, size, "host:port, the host a name, an IPv4 address or an IPv6 address in brackets");
        return;
    case CONFIG_TYPE_COUNT:
        break;
    }
    out[0] = '\0';
}

/* --- what a member holds ------------------------------------------------------------------------------------------ */

/* The text behind a member that has one, else NULL. */
static const char *text_of(const void *member, enum config_type type)
{
    const char *text = NULL;
    switch (type) {
    case CONFIG_TEXT:
    case CONFIG_NAME:
    case CONFIG_FILE:
    case CONFIG_PATH:
    case CONFIG_ENDPOINT:
    case CONFIG_HOSTPORT:
        memcpy(&text, member, sizeof(char *));
        return text;
    case CONFIG_LIST:
        return ((const struct config_list *)member)->text;
    case CONFIG_INTEGER:
    case CONFIG_BOOLEAN:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_CHOICE:
    case CONFIG_HEX32:
    case CONFIG_TYPE_COUNT:
        break;
    }
    return NULL;
}

bool config_value_is_set(const void *member, enum config_type type)
{
    switch (type) {
    case CONFIG_INTEGER:
    case CONFIG_BOOLEAN:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_CHOICE:
        return true;
    case CONFIG_HEX32:
        return ((const struct config_hex32 *)member)->is_set;
    case CONFIG_TEXT:
    case CONFIG_NAME:
    case CONFIG_FILE:
    case CONFIG_PATH:
    case CONFIG_ENDPOINT:
    case CONFIG_HOSTPORT:
    case CONFIG_LIST:
    case CONFIG_TYPE_COUNT:
        break;
    }
    return text_of(member, type) != NULL;
}

static void number_print(FILE *out, const void *member, enum config_type type)
{
    uint64_t number = 0;
    memcpy(&number, member, sizeof number);
    struct unit unit = number_unit(number, type);
    fprintf(out, "%" PRIu64 "%s", number / unit.factor, unit.name);
}

static void hex32_print(FILE *out, const struct config_hex32 *value)
{
    for (size_t i = 0; i < sizeof value->bytes; i++)
        fprintf(out, "%02x", value->bytes[i]);
}

void config_value_print(FILE *out, const void *member, const struct config_key *key)
{
    const char *text = text_of(member, key->type);
    if (text)
        fputs(text, out);
    else if (key->type == CONFIG_BOOLEAN)
        fputs(*(const bool *)member ? "true" : "false", out);
    else if (key->type == CONFIG_CHOICE)
        fputs(key->choices[*(const int *)member], out);
    else if (key->type == CONFIG_HEX32)
        hex32_print(out, member);
    else
        number_print(out, member, key->type);
}

static size_t member_bytes(enum config_type type)
{
    switch (type) {
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        return sizeof(uint64_t);
    case CONFIG_BOOLEAN:
        return sizeof(bool);
    case CONFIG_CHOICE:
        return sizeof(int);
    case CONFIG_HEX32:
        return sizeof(struct config_hex32);
    case CONFIG_LIST:
        return sizeof(struct config_list);
    case CONFIG_TEXT:
    case CONFIG_NAME:
    case CONFIG_FILE:
    case CONFIG_PATH:
    case CONFIG_ENDPOINT:
    case CONFIG_HOSTPORT:
    case CONFIG_TYPE_COUNT:
        break;
    }
    return sizeof(char *);
}

void config_value_free(void *member, enum config_type type)
{
    char *text = NULL;
    if (type == CONFIG_LIST) {
        list_free(member);
    } else if (text_of(member, type)) {
        memcpy(&text, member, sizeof(char *));
        explicit_bzero(text, strlen(text));
        free(text);
    }
    explicit_bzero(member, member_bytes(type));
}
