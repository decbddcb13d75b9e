/* vectors.h - reads the files of tests/vectors for the unit tests. A missing file or member fails the test.
 *
 * Ownership: json_t pointers are borrowed from the file's root, which the caller ends with json_decref().
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/span.h"

/* Bytes on the heap. */
struct blob {
    uint8_t *data;
    size_t size;
};

void blob_free(struct blob *blob);
struct span blob_span(const struct blob *blob);

/* The whole file, e.g. "events.json". */
json_t *vectors_load(const char *file);
json_t *vectors_get(const json_t *object, const char *name);
const char *vectors_text(const json_t *object, const char *name);
int64_t vectors_integer(const json_t *object, const char *name);
bool vectors_bool(const json_t *object, const char *name);
/* 16 hex digits */
uint64_t vectors_u64(const json_t *object, const char *name);
struct blob vectors_bytes(const json_t *object, const char *name);
struct blob vectors_hex(const char *digits);
struct hash vectors_hash(const json_t *object, const char *name);
struct signature vectors_signature(const json_t *object, const char *name);
/* {"chain_id", "validators"} at the top of a file about proofs. */
struct genesis vectors_genesis(const json_t *root);
/* What "expect" says is "OK". */
bool vectors_expect_ok(const json_t *test_case);

void vectors_assert_equal(const char *name, struct span got, struct span expected);

/* Run body for each case of file. */
#define VECTORS_EACH(root, index, test_case) json_array_foreach(vectors_get(root, "cases"), index, test_case)
