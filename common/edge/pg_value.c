/* pg_value.c - values in the binary form of the protocol, which both servers share: integers big-endian, an array as
 * dimensions, flag for nulls, element type, count, lower bound, and then a length and the bytes per element.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include <libpq-fe.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/pg.h"

enum { ARRAY_HEADER_BYTES = 20, ARRAY_EMPTY_BYTES = 12, TYPE_INT2 = 21, TYPE_NAME = 19, TYPE_VARCHAR = 1043 };

static void put_u32(uint8_t *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof value);
}

static void put_u64(uint8_t *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof value);
}

/* --- arrays ------------------------------------------------------------------------------------------------------- */

void pg_array_init(struct pg_array *array, enum pg_type type)
{
    *array = (struct pg_array){.type = type};
}

void pg_array_deinit(struct pg_array *array)
{
    free(array->data);
    *array = (struct pg_array){.type = array->type};
}

void pg_array_reset(struct pg_array *array)
{
    array->count = 0;
    array->has_null = false;
    array->rc = 0;
    array->size = 0;
}

/* Room for `size` more bytes (the header too, at the first element), or NULL after noting the failure. */
static uint8_t *array_extend(struct pg_array *array, size_t size)
{
    if (array->rc < 0)
        return NULL;
    size_t start = array->size ? array->size : ARRAY_HEADER_BYTES;
    if (size > PG_ARRAY_BYTES_MAX || start + size > PG_ARRAY_BYTES_MAX) {
        array->rc = ERR_TOO_LARGE;
        return NULL;
    }
    if (start + size > array->capacity) {
        size_t capacity = 2 * array->capacity + size + 1024;
        uint8_t *data = realloc(array->data, capacity);
        if (!data) {
            array->rc = -ENOMEM;
            return NULL;
        }
        array->data = data;
        array->capacity = capacity;
    }
    array->size = start + size;
    return array->data + start;
}

static void array_add(struct pg_array *array, const void *value, size_t size)
{
    uint8_t *at = size > PG_ARRAY_BYTES_MAX ? array_extend(array, size) : array_extend(array, 4 + size);
    if (!at)
        return;
    put_u32(at, (uint32_t)size);
    if (size > 0)
        memcpy(at + 4, value, size);
    array->count++;
}

void pg_array_add_bool(struct pg_array *array, bool value)
{
    assert(array->type == PG_BOOL);
    uint8_t byte = value;
    array_add(array, &byte, 1);
}

void pg_array_add_int4(struct pg_array *array, int32_t value)
{
    assert(array->type == PG_INT4);
    uint8_t bytes[4];
    put_u32(bytes, (uint32_t)value);
    array_add(array, bytes, sizeof bytes);
}

void pg_array_add_int8(struct pg_array *array, int64_t value)
{
    assert(array->type == PG_INT8);
    uint8_t bytes[8];
    put_u64(bytes, (uint64_t)value);
    array_add(array, bytes, sizeof bytes);
}

void pg_array_add_bytea(struct pg_array *array, struct span value)
{
    assert(array->type == PG_BYTEA);
    array_add(array, value.data, value.size);
}

void pg_array_add_text(struct pg_array *array, struct span value)
{
    assert(array->type == PG_TEXT);
    array_add(array, value.data, value.size);
}

void pg_array_add_null(struct pg_array *array)
{
    uint8_t *at = array_extend(array, 4);
    if (!at)
        return;
    put_u32(at, UINT32_MAX); /* -1 */
    array->count++;
    array->has_null = true;
}

/* Write the header in front. An array without elements has no dimension. */
static void array_finish(struct pg_array *array)
{
    if (array->size == 0 && !array_extend(array, 0))
        return;
    put_u32(array->data, array->count > 0);
    put_u32(array->data + 4, array->has_null);
    put_u32(array->data + 8, (uint32_t)array->type);
    put_u32(array->data + 12, array->count);
    put_u32(array->data + 16, 1);
}

static uint32_t array_type(enum pg_type element)
{
    switch (element) {
    case PG_BOOL:
        return 1000;
    case PG_BYTEA:
        return 1001;
    case PG_INT4:
        return 1007;
    case PG_TEXT:
        return 1009;
    case PG_INT8:
        return 1016;
    }
    assert(false && "type of an array");
    return 0;
}

/* --- parameters --------------------------------------------------------------------------------------------------- */

void pg_params_init(struct pg_params *params)
{
    params->count = 0;
    params->rc = 0;
}

static void param_add(struct pg_params *params, uint32_t type, const void *value, size_t size)
{
    assert(params->count < PG_PARAM_COUNT_MAX);
    if (size > PG_ARRAY_BYTES_MAX) {
        params->rc = params->rc < 0 ? params->rc : ERR_TOO_LARGE;
        size = 0;
    }
    params->types[params->count] = type;
    params->values[params->count] = value;
    params->lengths[params->count] = (int)size;
    params->count++;
}

static uint8_t *number_room(struct pg_params *params)
{
    assert(params->count < PG_PARAM_COUNT_MAX);
    return params->numbers[params->count];
}

void pg_param_bool(struct pg_params *params, bool value)
{
    uint8_t *room = number_room(params);
    room[0] = value;
    param_add(params, PG_BOOL, room, 1);
}

void pg_param_int4(struct pg_params *params, int32_t value)
{
    uint8_t *room = number_room(params);
    put_u32(room, (uint32_t)value);
    param_add(params, PG_INT4, room, 4);
}

void pg_param_int8(struct pg_params *params, int64_t value)
{
    uint8_t *room = number_room(params);
    put_u64(room, (uint64_t)value);
    param_add(params, PG_INT8, room, 8);
}

/* An empty value is not NULL. */
void pg_param_bytea(struct pg_params *params, struct span value)
{
    param_add(params, PG_BYTEA, value.data ? (const void *)value.data : "", value.size);
}

void pg_param_text(struct pg_params *params, struct span value)
{
    param_add(params, PG_TEXT, value.data ? (const void *)value.data : "", value.size);
}

void pg_param_null(struct pg_params *params, enum pg_type type)
{
    param_add(params, (uint32_t)type, NULL, 0);
}

void pg_param_array(struct pg_params *params, struct pg_array *array)
{
    array_finish(array);
    if (array->rc < 0 && params->rc == 0)
        params->rc = array->rc;
    param_add(params, array_type(array->type), array->data, array->count > 0 ? array->size : ARRAY_EMPTY_BYTES);
}

/* --- results ------------------------------------------------------------------------------------------------------ */

/* A struct pg_result is a PGresult under a name of ours. */
static const PGresult *foreign(const struct pg_result *result)
{
    return (const PGresult *)result;
}

void pg_result_destroy(struct pg_result **self)
{
    if (!self || !*self)
        return;
    PQclear((PGresult *)*self);
    *self = NULL;
}

uint32_t pg_result_rows(const struct pg_result *result)
{
    return (uint32_t)PQntuples(foreign(result));
}

uint64_t pg_result_affected(const struct pg_result *result)
{
    /* PQcmdTuples() only reads, but its parameter has no const. */
    union {
        const struct pg_result *in;
        PGresult *out;
    } pointer = {.in = result};
    return strtoull(PQcmdTuples(pointer.out), NULL, 10);
}

/* The value's bytes; data NULL for NULL. */
static struct span value_of(const struct pg_result *result, uint32_t row, uint32_t column)
{
    const PGresult *r = foreign(result);
    assert((int64_t)row < PQntuples(r) && (int64_t)column < PQnfields(r));
    if (PQgetisnull(r, (int)row, (int)column))
        return (struct span){0};
    return span_of(PQgetvalue(r, (int)row, (int)column), (size_t)PQgetlength(r, (int)row, (int)column));
}

static void wrong_type(const struct pg_result *result, uint32_t column, const char *wanted)
{
    log_error("pg.wrong_type", "column=%s type=%u wanted=%s", LOG_QUOTE_TEXT(PQfname(foreign(result), (int)column)),
              PQftype(foreign(result), (int)column), wanted);
}

bool pg_result_is_null(const struct pg_result *result, uint32_t row, uint32_t column)
{
    return !value_of(result, row, column).data;
}

int64_t pg_result_int(const struct pg_result *result, uint32_t row, uint32_t column)
{
    struct span value = value_of(result, row, column);
    if (!value.data)
        return 0;
    Oid type = PQftype(foreign(result), (int)column);
    if (type == TYPE_INT2 && value.size == 2)
        return (int16_t)((value.data[0] << 8) | value.data[1]);
    if (type == PG_INT4 && value.size == 4) {
        uint32_t number;
        memcpy(&number, value.data, sizeof number);
        return (int32_t)be32toh(number);
    }
    if (type == PG_INT8 && value.size == 8) {
        uint64_t number;
        memcpy(&number, value.data, sizeof number);
        return (int64_t)be64toh(number);
    }
    wrong_type(result, column, "int");
    return 0;
}

bool pg_result_bool(const struct pg_result *result, uint32_t row, uint32_t column)
{
    struct span value = value_of(result, row, column);
    if (value.data && (PQftype(foreign(result), (int)column) != PG_BOOL || value.size != 1)) {
        wrong_type(result, column, "bool");
        return false;
    }
    return value.data && value.data[0];
}

struct span pg_result_span(const struct pg_result *result, uint32_t row, uint32_t column)
{
    struct span value = value_of(result, row, column);
    Oid type = PQftype(foreign(result), (int)column);
    if (value.data && type != PG_BYTEA && type != PG_TEXT && type != TYPE_VARCHAR && type != TYPE_NAME) {
        wrong_type(result, column, "bytea or text");
        return (struct span){0};
    }
    return value;
}
