/* vectors.c - reads the files of tests/vectors for the unit tests. */
#include "tests/unit/base/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"

void blob_free(struct blob *blob)
{
    free(blob->data);
    *blob = (struct blob){0};
}

struct span blob_span(const struct blob *blob)
{
    return span_of(blob->data, blob->size);
}

json_t *vectors_load(const char *file)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", VECTORS_DIR, file);
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    assert_true(json_array_size(json_object_get(root, "cases")) > 0);
    return root;
}

json_t *vectors_get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (!value)
        fail_msg("a case has no %s", name);
    return value;
}

const char *vectors_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(vectors_get(object, name));
    if (!text)
        fail_msg("%s is no text", name);
    return text;
}

int64_t vectors_integer(const json_t *object, const char *name)
{
    const json_t *value = vectors_get(object, name);
    assert_true(json_is_integer(value));
    return (int64_t)json_integer_value(value);
}

bool vectors_bool(const json_t *object, const char *name)
{
    const json_t *value = vectors_get(object, name);
    assert_true(json_is_boolean(value));
    return json_is_true(value);
}

uint64_t vectors_u64(const json_t *object, const char *name)
{
    uint8_t bytes[8];
    assert_int_equal(hex_decode(bytes, sizeof bytes, vectors_text(object, name)), 0);
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        value = value << 8 | bytes[i];
    return value;
}

struct blob vectors_hex(const char *digits)
{
    struct blob blob = {.size = strlen(digits) / 2};
    blob.data = malloc(blob.size ? blob.size : 1);
    assert_non_null(blob.data);
    assert_int_equal(hex_decode(blob.data, blob.size, digits), 0);
    return blob;
}

struct blob vectors_bytes(const json_t *object, const char *name)
{
    return vectors_hex(vectors_text(object, name));
}

struct hash vectors_hash(const json_t *object, const char *name)
{
    struct hash hash;
    assert_int_equal(hex_decode(hash.bytes, sizeof hash.bytes, vectors_text(object, name)), 0);
    return hash;
}

struct signature vectors_signature(const json_t *object, const char *name)
{
    struct signature signature;
    assert_int_equal(hex_decode(signature.bytes, sizeof signature.bytes, vectors_text(object, name)), 0);
    return signature;
}

struct genesis vectors_genesis(const json_t *root)
{
    struct genesis genesis = {.chain_id = vectors_hash(root, "chain_id")};
    size_t index;
    const json_t *key;
    json_array_foreach(vectors_get(root, "validators"), index, key)
    {
        struct genesis_validator *validator = &genesis.validators[genesis.validator_count++];
        assert_int_equal(hex_decode(validator->sign_key.bytes, SIGN_PUBLIC_BYTES, json_string_value(key)), 0);
        validator->id = sign_public_id(&validator->sign_key);
    }
    assert_int_equal(genesis_quorum(genesis.validator_count), vectors_integer(root, "quorum"));
    return genesis;
}

bool vectors_expect_ok(const json_t *test_case)
{
    return strcmp(vectors_text(test_case, "expect"), "OK") == 0;
}

void vectors_assert_equal(const char *name, struct span got, struct span expected)
{
    if (!span_equal(got, expected))
        fail_msg("%s: %zu bytes that differ from the %zu expected", name, got.size, expected.size);
}
