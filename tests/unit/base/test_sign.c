/* test_sign.c */
#include "tests/unit/base/vectors.h"

#include <string.h>

static void signatures_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("signing.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob seed = vectors_bytes(test_case, "seed");
        struct blob message = vectors_bytes(test_case, "message");
        struct hash public_key = vectors_hash(test_case, "key");
        struct signature expected = vectors_signature(test_case, "expect");
        struct sign_key key;
        sign_key_from_seed(&key, seed.data);
        assert_memory_equal(key.public.bytes, public_key.bytes, SIGN_PUBLIC_BYTES);
        struct signature signature;
        sign_message(&signature, &key, blob_span(&message));
        assert_memory_equal(signature.bytes, expected.bytes, SIGN_BYTES);
        assert_int_equal(sign_verify(&expected, &key.public, blob_span(&message)), 0);
        blob_free(&seed);
        blob_free(&message);
    }
    json_decref(root);
}

static void another_message_key_or_signature_is_bad(void **state)
{
    const uint8_t seed[SIGN_SEED_BYTES] = {1}, other_seed[SIGN_SEED_BYTES] = {2};
    struct sign_key key, other;
    sign_key_from_seed(&key, seed);
    sign_key_from_seed(&other, other_seed);
    struct signature signature;
    sign_message(&signature, &key, span_text("message"));
    assert_int_equal(sign_verify(&signature, &key.public, span_text("message")), 0);
    assert_int_equal(sign_verify(&signature, &key.public, span_text("messagf")), SIGN_BAD);
    assert_int_equal(sign_verify(&signature, &key.public, (struct span){0}), SIGN_BAD);
    assert_int_equal(sign_verify(&signature, &other.public, span_text("message")), SIGN_BAD);
    for (size_t i = 0; i < SIGN_BYTES; i++) {
        struct signature changed = signature;
        changed.bytes[i] ^= 1;
        assert_int_equal(sign_verify(&changed, &key.public, span_text("message")), SIGN_BAD);
    }
}

/* A key of small order would let one signature stand for many messages. */
static void a_key_of_small_order_verifies_nothing(void **state)
{
    const struct sign_public zero = {{0}}, one = {{1}};
    const struct signature signature = {{0}};
    assert_int_equal(sign_verify(&signature, &zero, span_text("")), SIGN_BAD);
    assert_int_equal(sign_verify(&signature, &one, span_text("")), SIGN_BAD);
}

static void the_empty_message_can_be_signed(void **state)
{
    const uint8_t seed[SIGN_SEED_BYTES] = {3};
    struct sign_key key;
    sign_key_from_seed(&key, seed);
    struct signature signature;
    sign_message(&signature, &key, (struct span){0});
    assert_int_equal(sign_verify(&signature, &key.public, (struct span){0}), 0);
}

static void a_wiped_key_is_zero(void **state)
{
    const uint8_t seed[SIGN_SEED_BYTES] = {4};
    struct sign_key key, zero;
    memset(&zero, 0, sizeof zero);
    sign_key_from_seed(&key, seed);
    sign_key_wipe(&key);
    assert_memory_equal(&key, &zero, sizeof key);
}

static void a_validator_id_is_sha256_of_its_key(void **state)
{
    const struct sign_public key = {{'a', 'b'}};
    struct hash expected = hash_sha256(span_of(key.bytes, sizeof key.bytes));
    struct hash id = sign_public_id(&key);
    assert_true(hash_equal(&id, &expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_the_vectors),
        cmocka_unit_test(another_message_key_or_signature_is_bad),
        cmocka_unit_test(a_key_of_small_order_verifies_nothing),
        cmocka_unit_test(the_empty_message_can_be_signed),
        cmocka_unit_test(a_wiped_key_is_zero),
        cmocka_unit_test(a_validator_id_is_sha256_of_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
