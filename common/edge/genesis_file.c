/* genesis_file.c - the form of genesis.json: what is not known is refused by name, what is known must be there (but for
 * parameters, which have defaults). The chain id is taken from the JSON value itself, not from the struct, so that
 * every member counts.
 */
#include "common/edge/genesis_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/text.h"
#include "common/edge/json.h"
#include "common/edge/json_canonical.h"
#include "common/edge/log.h"

enum { KEY_BYTES = 32, PLACE_BYTES = 96 };
static const char DOMAIN[] = "cybermesh/genesis/v1"; /* with its zero byte */
static const json_int_t INTEGER_MAX = ((json_int_t)1 << 53) - 1;

static const struct {
    const char *name;
    uint32_t bit;
} roles[] = {
    {"anomaly", PRODUCER_ROLE_ANOMALY},
    {"evidence", PRODUCER_ROLE_EVIDENCE},
    {"policy", PRODUCER_ROLE_POLICY},
    {"governor", PRODUCER_ROLE_GOVERNOR},
};

/* Where we are in the file, and where to say what is wrong. */
struct reader {
    char *detail; /* GENESIS_FILE_DETAIL_BYTES */
    char place[PLACE_BYTES];
};

static int PRINTF_LIKE(3, 4) bad(struct reader *reader, const char *member, const char *format, ...)
{
    char what[GENESIS_FILE_DETAIL_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    int put = snprintf(reader->detail, GENESIS_FILE_DETAIL_BYTES, "%s%s%s: ", reader->place,
                       *reader->place && *member ? "." : "", member);
    if (put >= 0 && put < GENESIS_FILE_DETAIL_BYTES)
        snprintf(reader->detail + put, GENESIS_FILE_DETAIL_BYTES - (size_t)put, "%s", what);
    return ERR_MALFORMED;
}

/* Has the object no other members than these? */
static int members_check(struct reader *reader, json_t *object, const char *const *names, size_t name_count)
{
    if (!json_is_object(object))
        return bad(reader, "", "wants an object");
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *member = json_object_iter_key(at);
        bool known = false;
        for (size_t i = 0; i < name_count; i++)
            known = known || strcmp(names[i], member) == 0;
        if (!known) /* the name is outside text: it is shown in quotes */
            return bad(reader, LOG_QUOTE_TEXT(member), "unknown member");
    }
    return 0;
}

/* --- plain members ------------------------------------------------------------------------------------------------ */

static int name_read(struct reader *reader, char out[static GENESIS_NAME_BYTES_MAX + 1], json_t *object,
                     const char *member)
{
    json_t *value = json_object_get(object, member);
    size_t size = json_string_length(value);
    if (!json_is_string(value) || size < 1 || size > GENESIS_NAME_BYTES_MAX ||
        !text_is_clean(span_of(json_string_value(value), size)))
        return bad(reader, member, "wants text of 1 to %d bytes without control characters", GENESIS_NAME_BYTES_MAX);
    memcpy(out, json_string_value(value), size + 1);
    return 0;
}

static int key_read(struct reader *reader, uint8_t out[static KEY_BYTES], json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);
    if (!json_is_string(value) || json_string_length(value) != 2 * KEY_BYTES ||
        hex_decode(out, KEY_BYTES, json_string_value(value)) < 0)
        return bad(reader, member, "wants %d lower-case hex digits", 2 * KEY_BYTES);
    return 0;
}

static int integer_read(struct reader *reader, uint64_t *out, json_t *value, const char *member, uint64_t min,
                        uint64_t max)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < (json_int_t)min || number > (json_int_t)max)
        return bad(reader, member, "wants an integer of %" PRIu64 " to %" PRIu64, min, max);
    *out = (uint64_t)number;
    return 0;
}

/* --- validators --------------------------------------------------------------------------------------------------- */

static int validator_name_check(struct reader *reader, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return name[strspn(name, allowed)] ? bad(reader, "name", "wants letters, digits, '.', '_' and '-' only") : 0;
}

static int validator_read(struct reader *reader, struct genesis_validator *out, json_t *value)
{
    static const char *const names[] = {"name", "sign_key", "control_key", "consensus_curve_key", "mempool_curve_key"};
    int rc = members_check(reader, value, names, ARRAY_COUNT(names));
    if (rc == 0)
        rc = name_read(reader, out->name, value, "name");
    if (rc == 0)
        rc = validator_name_check(reader, out->name);
    if (rc == 0)
        rc = key_read(reader, out->sign_key.bytes, value, "sign_key");
    if (rc == 0)
        rc = key_read(reader, out->control_key.bytes, value, "control_key");
    if (rc == 0)
        rc = key_read(reader, out->consensus_curve_key, value, "consensus_curve_key");
    if (rc == 0)
        rc = key_read(reader, out->mempool_curve_key, value, "mempool_curve_key");
    if (rc == 0)
        out->id = hash_sha256(span_of(out->sign_key.bytes, KEY_BYTES));
    return rc;
}

/* Names and keys of validators[index] are new among those before it. */
static int validator_distinct(struct reader *reader, const struct genesis *genesis, uint32_t index)
{
    const struct genesis_validator *a = &genesis->validators[index];
    for (uint32_t i = 0; i < index; i++) {
        const struct genesis_validator *b = &genesis->validators[i];
        if (strcmp(a->name, b->name) == 0)
            return bad(reader, "name", "is the name of validators[%u] too", i);
        if (memcmp(a->sign_key.bytes, b->sign_key.bytes, KEY_BYTES) == 0)
            return bad(reader, "sign_key", "is the key of validators[%u] too", i);
        if (memcmp(a->control_key.bytes, b->control_key.bytes, KEY_BYTES) == 0)
            return bad(reader, "control_key", "is the key of validators[%u] too", i);
        if (memcmp(a->consensus_curve_key, b->consensus_curve_key, KEY_BYTES) == 0)
            return bad(reader, "consensus_curve_key", "is the key of validators[%u] too", i);
        if (memcmp(a->mempool_curve_key, b->mempool_curve_key, KEY_BYTES) == 0)
            return bad(reader, "mempool_curve_key", "is the key of validators[%u] too", i);
    }
    return 0;
}

static int validators_read(struct reader *reader, struct genesis *out, json_t *array)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count < 1 || count > GENESIS_VALIDATORS_MAX)
        return bad(reader, "validators", "wants an array of 1 to %d validators", GENESIS_VALIDATORS_MAX);
    int rc = 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        snprintf(reader->place, sizeof reader->place, "validators[%u]", i);
        rc = validator_read(reader, &out->validators[i], json_array_get(array, i));
        if (rc == 0)
            rc = validator_distinct(reader, out, i);
    }
    out->validator_count = (uint32_t)count;
    reader->place[0] = '\0';
    return rc;
}

/* --- producers ---------------------------------------------------------------------------------------------------- */

static uint32_t role_bit(json_t *role)
{
    for (size_t i = 0; i < ARRAY_COUNT(roles) && json_is_string(role); i++) {
        if (strcmp(json_string_value(role), roles[i].name) == 0)
            return roles[i].bit;
    }
    return 0;
}

static int roles_read(struct reader *reader, uint32_t *out, json_t *array)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        uint32_t bit = role_bit(json_array_get(array, i));
        if (bit == 0 || bits & bit) {
            bits = 0;
            break;
        }
        bits |= bit;
    }
    if (bits == 0)
        return bad(reader, "roles", "wants an array of one or more of anomaly, evidence, policy, governor, none twice");
    *out = bits;
    return 0;
}

static int producer_read(struct reader *reader, struct genesis_producer *out, json_t *value)
{
    static const char *const names[] = {"name", "key", "roles"};
    int rc = members_check(reader, value, names, ARRAY_COUNT(names));
    if (rc == 0)
        rc = name_read(reader, out->name, value, "name");
    if (rc == 0)
        rc = key_read(reader, out->key.bytes, value, "key");
    return rc == 0 ? roles_read(reader, &out->roles, json_object_get(value, "roles")) : rc;
}

static int producer_name_compare(const void *a, const void *b)
{
    return strcmp((*(const struct genesis_producer *const *)a)->name,
                  (*(const struct genesis_producer *const *)b)->name);
}

static int producer_key_compare(const void *a, const void *b)
{
    return memcmp((*(const struct genesis_producer *const *)a)->key.bytes,
                  (*(const struct genesis_producer *const *)b)->key.bytes, KEY_BYTES);
}

/* Two neighbours of the sorted producers that compare equal are a fault. */
static int producers_distinct(struct reader *reader, const struct genesis *genesis, const char *member,
                              int (*compare)(const void *, const void *))
{
    const struct genesis_producer **sorted = calloc(genesis->producer_count + 1, sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (uint32_t i = 0; i < genesis->producer_count; i++)
        sorted[i] = &genesis->producers[i];
    qsort(sorted, genesis->producer_count, sizeof *sorted, compare);
    int rc = 0;
    for (uint32_t i = 1; i < genesis->producer_count && rc == 0; i++) {
        if (compare(&sorted[i - 1], &sorted[i]) == 0)
            rc = bad(reader, "producers", "two have one %s: producers[%td] and producers[%td]", member,
                     sorted[i - 1] - genesis->producers, sorted[i] - genesis->producers);
    }
    free(sorted);
    return rc;
}

static int producers_read(struct reader *reader, struct genesis *out, json_t *array)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > GENESIS_PRODUCERS_MAX)
        return bad(reader, "producers", "wants an array of at most %d producers", GENESIS_PRODUCERS_MAX);
    out->producers = calloc(count + 1, sizeof *out->producers);
    if (!out->producers)
        return -ENOMEM;
    out->producer_count = (uint32_t)count;
    int rc = 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        snprintf(reader->place, sizeof reader->place, "producers[%u]", i);
        rc = producer_read(reader, &out->producers[i], json_array_get(array, i));
    }
    reader->place[0] = '\0';
    if (rc == 0)
        rc = producers_distinct(reader, out, "name", producer_name_compare);
    return rc == 0 ? producers_distinct(reader, out, "key", producer_key_compare) : rc;
}

/* --- parameters --------------------------------------------------------------------------------------------------- */

static int require_v2_read(struct reader *reader, bool *out, json_t *value)
{
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return bad(reader, "require_v2", "wants true or false");
    *out = json_is_true(value);
    return 0;
}

static int custody_read(struct reader *reader, bool *out, json_t *value)
{
    if (!value)
        return 0;
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(text, "required") != 0 && strcmp(text, "off") != 0)
        return bad(reader, "custody_verification", "wants \"required\" or \"off\"");
    *out = strcmp(text, "required") == 0;
    return 0;
}

static int parameters_read(struct reader *reader, struct genesis_parameters *out, json_t *object)
{
    static const char *const names[] = {
#define PARAMETER_NAME(name, default_value, min, max) #name,
        GENESIS_PARAMETERS(PARAMETER_NAME)
#undef PARAMETER_NAME
            "require_v2",
        "custody_verification",
    };
    *out = genesis_parameters_default();
    snprintf(reader->place, sizeof reader->place, "parameters");
    int rc = members_check(reader, object, names, ARRAY_COUNT(names));
#define PARAMETER_READ(name, default_value, min, max)                                                                  \
    if (rc == 0 && json_object_get(object, #name))                                                                     \
        rc = integer_read(reader, &out->name, json_object_get(object, #name), #name, min, max);
    GENESIS_PARAMETERS(PARAMETER_READ)
#undef PARAMETER_READ
    if (rc == 0)
        rc = require_v2_read(reader, &out->require_v2, json_object_get(object, "require_v2"));
    if (rc == 0)
        rc = custody_read(reader, &out->custody_verification, json_object_get(object, "custody_verification"));
    if (rc == 0 && (out->view_timeout_min_ms > out->view_timeout_initial_ms ||
                    out->view_timeout_initial_ms > out->view_timeout_max_ms))
        rc = bad(reader, "view_timeout_initial_ms", "wants view_timeout_min_ms <= it <= view_timeout_max_ms");
    if (rc == 0 && out->schedule_lag_blocks > out->schedule_epoch_blocks)
        rc = bad(reader, "schedule_lag_blocks", "wants at most schedule_epoch_blocks");
    reader->place[0] = '\0';
    return rc;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static int chain_id_of(struct hash *out, json_t *value)
{
    char *canonical = NULL;
    size_t size = 0;
    int rc = json_canonical(&canonical, &size, value);
    if (rc == 0)
        *out = hash_of2(span_of(DOMAIN, sizeof DOMAIN), span_of(canonical, size));
    free(canonical);
    return rc;
}

static int value_read(struct reader *reader, struct genesis *out, json_t *value)
{
    static const char *const names[] = {"network", "created_ms", "validators", "producers", "parameters"};
    int rc = members_check(reader, value, names, ARRAY_COUNT(names));
    if (rc == 0)
        rc = name_read(reader, out->network, value, "network");
    if (rc == 0)
        rc = integer_read(reader, &out->created_ms, json_object_get(value, "created_ms"), "created_ms", 0,
                          (uint64_t)INTEGER_MAX);
    if (rc == 0)
        rc = validators_read(reader, out, json_object_get(value, "validators"));
    if (rc == 0)
        rc = producers_read(reader, out, json_object_get(value, "producers"));
    if (rc == 0)
        rc = parameters_read(reader, &out->parameters, json_object_get(value, "parameters"));
    return rc == 0 ? chain_id_of(&out->chain_id, value) : rc;
}

int genesis_file_parse(struct span text, struct genesis **out, char detail[static GENESIS_FILE_DETAIL_BYTES])
{
    struct reader reader = {.detail = detail};
    detail[0] = '\0';
    if (text.size > GENESIS_FILE_BYTES_MAX)
        return ERR_TOO_LARGE;
    CLEANUP(json_cleanup) json_t *value = NULL;
    struct json_fault fault;
    int rc = json_parse_explained(&value, text, JSON_DEPTH_MAX, &fault);
    if (rc == ERR_MALFORMED)
        snprintf(detail, GENESIS_FILE_DETAIL_BYTES, "line %d column %d: %s", fault.line, fault.column, fault.what);
    if (rc < 0)
        return rc;
    CLEANUP(genesis_destroy) struct genesis *genesis = calloc(1, sizeof *genesis);
    if (!genesis)
        return -ENOMEM;
    rc = value_read(&reader, genesis, value);
    if (rc < 0)
        return rc;
    *out = TAKE(genesis);
    return 0;
}

void genesis_destroy(struct genesis **self)
{
    if (!self || !*self)
        return;
    free((*self)->producers);
    free(*self);
    *self = NULL;
}

int genesis_file_chain_id(struct hash *out, struct span text)
{
    CLEANUP(json_cleanup) json_t *value = NULL;
    int rc = json_parse_strict(&value, text, JSON_DEPTH_MAX);
    return rc == 0 ? chain_id_of(out, value) : rc;
}

/* The whole file, one byte over the limit at most. *text is the caller's, for free(). */
static int file_read(const char *path, char **text, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *buffer = malloc(GENESIS_FILE_BYTES_MAX + 1);
    int rc = buffer ? 0 : -ENOMEM;
    size_t have = 0;
    while (rc == 0 && have <= GENESIS_FILE_BYTES_MAX) {
        ssize_t got = read(fd, buffer + have, GENESIS_FILE_BYTES_MAX + 1 - have);
        if (got == 0)
            break;
        if (got > 0)
            have += (size_t)got;
        else if (errno != EINTR)
            rc = -errno;
    }
    close(fd);
    if (rc < 0) {
        free(buffer);
        return rc;
    }
    *text = buffer;
    *size = have;
    return 0;
}

int genesis_file_load(const char *path, struct genesis **out)
{
    char *text = NULL;
    size_t size = 0;
    char detail[GENESIS_FILE_DETAIL_BYTES] = "";
    int rc = file_read(path, &text, &size);
    if (rc == 0)
        rc = genesis_file_parse(span_of(text, size), out, detail);
    free(text);
    if (rc < 0)
        log_error("genesis.bad", "path=%s error=\"%s\" detail=%s", LOG_QUOTE_TEXT(path), err_text(rc),
                  LOG_QUOTE_TEXT(detail));
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static json_t *hex_value(const uint8_t key[static KEY_BYTES])
{
    char digits[2 * KEY_BYTES + 1];
    hex_encode(digits, key, KEY_BYTES);
    return json_string(digits);
}

static json_t *validators_value(const struct genesis *genesis)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        const struct genesis_validator *v = &genesis->validators[i];
        json_array_append_new(
            array, json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", v->name, "sign_key", hex_value(v->sign_key.bytes),
                             "control_key", hex_value(v->control_key.bytes), "consensus_curve_key",
                             hex_value(v->consensus_curve_key), "mempool_curve_key", hex_value(v->mempool_curve_key)));
    }
    return array;
}

static json_t *producers_value(const struct genesis *genesis)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < genesis->producer_count; i++) {
        const struct genesis_producer *p = &genesis->producers[i];
        json_t *names = json_array();
        for (size_t r = 0; r < ARRAY_COUNT(roles); r++) {
            if (p->roles & roles[r].bit)
                json_array_append_new(names, json_string(roles[r].name));
        }
        json_array_append_new(
            array, json_pack("{s:s, s:o, s:o}", "name", p->name, "key", hex_value(p->key.bytes), "roles", names));
    }
    return array;
}

static json_t *parameters_value(const struct genesis_parameters *parameters)
{
    json_t *object = json_object();
#define PARAMETER_PUT(name, default_value, min, max)                                                                   \
    json_object_set_new(object, #name, json_integer((json_int_t)parameters->name));
    GENESIS_PARAMETERS(PARAMETER_PUT)
#undef PARAMETER_PUT
    json_object_set_new(object, "require_v2", json_boolean(parameters->require_v2));
    json_object_set_new(object, "custody_verification",
                        json_string(parameters->custody_verification ? "required" : "off"));
    return object;
}

static int text_of(const struct genesis *genesis, char **text)
{
    CLEANUP(json_cleanup)
    json_t *value = json_pack("{s:s, s:I, s:o, s:o, s:o}", "network", genesis->network, "created_ms",
                              (json_int_t)genesis->created_ms, "validators", validators_value(genesis), "producers",
                              producers_value(genesis), "parameters", parameters_value(&genesis->parameters));
    if (!value)
        return -ENOMEM;
    *text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    return *text ? 0 : -ENOMEM;
}

static int fd_write(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno != EINTR)
            return -errno;
        if (put > 0) {
            text += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

static int file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
    if (fd < 0)
        return -errno;
    int rc = fd_write(fd, text, strlen(text));
    if (rc == 0)
        rc = fd_write(fd, "\n", 1);
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    close(fd);
    if (rc < 0)
        unlink(path);
    return rc;
}

int genesis_file_write(const char *path, const struct genesis *genesis)
{
    char *text = NULL;
    int rc = text_of(genesis, &text);
    if (rc == 0) {
        /* A genesis that cannot be loaded is never written: this also finds members lost for want of memory. */
        CLEANUP(genesis_destroy) struct genesis *again = NULL;
        char detail[GENESIS_FILE_DETAIL_BYTES];
        rc = genesis_file_parse(span_text(text), &again, detail);
        if (rc == ERR_MALFORMED)
            log_error("genesis.bad", "path=%s detail=%s", LOG_QUOTE_TEXT(path), LOG_QUOTE_TEXT(detail));
        if (rc == 0 &&
            (again->validator_count != genesis->validator_count || again->producer_count != genesis->producer_count))
            rc = -ENOMEM;
    }
    if (rc == 0)
        rc = file_write(path, text);
    free(text);
    return rc;
}
